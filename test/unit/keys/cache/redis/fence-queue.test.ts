import { setImmediate as nextTick } from 'node:timers/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { FenceQueue } from '../../../../../src/keys/cache/redis/fence-queue.ts';

afterEach(() => vi.useRealTimers());

function slowQueue() {
  const written: [id: string, version: number][] = [];
  const pending: ((done: boolean) => void)[] = [];
  const shed = { count: 0 };
  const queue = new FenceQueue(
    (id, version) => {
      written.push([id, version]);
      return new Promise<boolean>((resolve) => pending.push(resolve));
    },
    () => {
      shed.count += 1;
    },
  );
  const finishAll = async () => {
    while (pending.length > 0) {
      for (const finish of pending.splice(0)) finish(true);
      await nextTick();
    }
  };
  return { queue, written, pending, finishAll, shed };
}

it('writes every change of a flood, with a limited concurrency', async () => {
  const { queue, written, pending, finishAll } = slowQueue();
  for (let index = 0; index < 1_000; index += 1) queue.enqueue(`key-${index}`, index);
  expect(pending.length).toBeLessThanOrEqual(64);
  await finishAll();
  expect(new Set(written.map(([id]) => id)).size).toBe(1_000);
});

it('coalesces the queued changes of one key into one write of the newest version', async () => {
  const { queue, written, finishAll } = slowQueue();
  for (let index = 0; index < 64; index += 1) queue.enqueue(`key-${index}`, 1);
  for (const version of [5, 7, 6]) queue.enqueue('changed', version);
  await finishAll();
  expect(written.filter(([id]) => id === 'changed')).toEqual([['changed', 7]]);
});

it('keeps the newest changes within the size limit while no write completes, and reports the others', async () => {
  const { queue, written, finishAll, shed } = slowQueue();
  for (let index = 0; index < 50_000; index += 1) queue.enqueue(`key-${index}`, index);
  await finishAll();
  expect(written).toHaveLength(64 + 10_000);
  expect(written.at(-1)).toEqual(['key-49999', 49_999]);
  expect(shed.count).toBe(50_000 - 64 - 10_000);
});

it('writes a fence again that Redis did not take, with the newest version', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { queue, written, pending, finishAll } = slowQueue();
  queue.enqueue('key', 1);
  pending.shift()?.(false);
  await nextTick();
  queue.enqueue('key', 2);
  queue.enqueue('other', 1);
  expect(written, 'waits before the next attempt').toEqual([['key', 1]]);
  vi.runAllTimers();
  await finishAll();
  expect(written.slice(1)).toEqual([
    ['key', 2],
    ['other', 1],
  ]);
});

it('writes nothing after it was closed', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { queue, written, pending } = slowQueue();
  queue.enqueue('key', 1);
  queue.close();
  pending.shift()?.(false);
  await nextTick();
  queue.enqueue('key', 2);
  vi.runAllTimers();
  expect(written).toEqual([['key', 1]]);
});

it('writes again after the queue was empty', async () => {
  const { queue, written, finishAll } = slowQueue();
  queue.enqueue('first', 1);
  await finishAll();
  queue.enqueue('second', 2);
  await finishAll();
  expect(written).toEqual([
    ['first', 1],
    ['second', 2],
  ]);
});
