import { describe, expect, it } from 'vitest';
import { Slots } from '../../../src/lib/slots.ts';

const slots = (waiting: number, waitMs = 60_000) =>
  new Slots({ slots: 2, waiting, waitMs, refusal: () => new Error('full') });

it('runs a bounded number of tasks at once, and the others in order', async () => {
  const subject = slots(100);
  let running = 0;
  let most = 0;
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      subject.run(async () => {
        running += 1;
        most = Math.max(most, running);
        order.push(index);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
      }),
    ),
  );
  expect(most).toBe(2);
  expect(order).toEqual(Array.from({ length: 50 }, (_, index) => index));
});

it('refuses a caller beyond the queue, and one that waits too long', async () => {
  const subject = slots(1, 1);
  const blocked = Promise.withResolvers<void>();
  const running = [subject.run(() => blocked.promise), subject.run(() => blocked.promise)];
  const waiting = subject.run(async () => {});
  await expect(subject.run(async () => {})).rejects.toThrow('full');
  await expect(waiting).rejects.toThrow('full');
  blocked.resolve();
  await Promise.all(running);
  expect(await subject.run(async () => 'free')).toBe('free');
});

it('frees the slot of a task that fails', async () => {
  const subject = slots(0);
  for (let count = 0; count < 5; count += 1) {
    await expect(subject.run(() => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  }
  expect(await subject.run(async () => 'free')).toBe('free');
});

describe('owners', () => {
  /** Starts a task of each owner that ends with `end()`. @returns the owners whose tasks have started, in order */
  const holder = (limits: { slots: number; waiting?: number }) => {
    const subject = new Slots({
      waiting: 1_000,
      waitMs: 60_000,
      refusal: () => new Error('full'),
      ...limits,
    });
    const started: string[] = [];
    const refused: string[] = [];
    const ends = new Map<string, (() => void)[]>();
    const start = (owner: string) =>
      void subject
        .run(() => {
          started.push(owner);
          const { promise, resolve } = Promise.withResolvers<void>();
          ends.set(owner, [...(ends.get(owner) ?? []), resolve]);
          return promise;
        }, owner)
        .catch(() => void refused.push(owner));
    const end = async (owner: string) => {
      ends.get(owner)?.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    };
    return { start, end, started, refused };
  };

  it('leaves a free slot to the next owner, however many others use all that they can', () => {
    const { start, started } = holder({ slots: 16 });
    for (const owner of ['a', 'b', 'c', 'd']) {
      for (let count = 0; count < 20; count += 1) start(owner);
    }
    expect(['a', 'b', 'c', 'd'].map((owner) => started.filter((one) => one === owner).length)).toEqual([
      8, 4, 2, 1,
    ]);
    start('e');
    expect(started.at(-1)).toBe('e');
  });

  it('take turns when a slot is freed, and one beyond its share waits until it leaves enough free', async () => {
    const { start, end, started } = holder({ slots: 2 });
    for (const owner of ['a', 'b', 'a', 'a', 'a', 'c', 'b']) start(owner);
    expect(started).toEqual(['a', 'b']);
    await end('b');
    expect(started).toEqual(['a', 'b', 'c']);
    await end('c');
    expect(started).toEqual(['a', 'b', 'c', 'b']);
    await end('a');
    expect(started).toEqual(['a', 'b', 'c', 'b', 'a']);
  });

  it('lose the newest of the owner that waits most when too many wait', async () => {
    const { start, end, started, refused } = holder({ slots: 1, waiting: 3 });
    for (const owner of ['a', 'a', 'a', 'a', 'b']) start(owner);
    await end('a');
    expect(refused).toEqual(['a']);
    await end('a');
    expect(started).toEqual(['a', 'a', 'b']);
  });
});
