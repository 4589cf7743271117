import { expect, it } from 'vitest';
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
