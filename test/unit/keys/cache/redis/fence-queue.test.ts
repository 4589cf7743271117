import { setImmediate as nextTick } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { FenceQueue } from '../../../../../src/keys/cache/redis/fence-queue.ts';

function slowQueue() {
  const written: [id: string, version: number][] = [];
  const pending: (() => void)[] = [];
  const queue = new FenceQueue((id, version) => {
    written.push([id, version]);
    return new Promise<void>((resolve) => pending.push(resolve));
  });
  const finishAll = async () => {
    while (pending.length > 0) {
      for (const finish of pending.splice(0)) finish();
      await nextTick();
    }
  };
  return { queue, written, pending, finishAll };
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

it('keeps the newest changes within the size limit while no write completes', async () => {
  const { queue, written, finishAll } = slowQueue();
  for (let index = 0; index < 50_000; index += 1) queue.enqueue(`key-${index}`, index);
  await finishAll();
  expect(written).toHaveLength(64 + 10_000);
  expect(written.at(-1)).toEqual(['key-49999', 49_999]);
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
