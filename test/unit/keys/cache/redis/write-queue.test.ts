import { setImmediate as nextTick } from 'node:timers/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { WriteQueue } from '../../../../../src/keys/cache/redis/write-queue.ts';

afterEach(() => vi.useRealTimers());

const MAX_WEIGHT = 1_000;
const HEAVY = 1_000_000;

function slowQueue() {
  const written: [id: string, version: number][] = [];
  const pending: ((done: boolean) => void)[] = [];
  const shed = { count: 0 };
  const queue = new WriteQueue<number>({
    write: (id, version) => {
      written.push([id, version]);
      return new Promise<boolean>((resolve) => pending.push(resolve));
    },
    merge: Math.max,
    weight: { max: MAX_WEIGHT, of: (version) => Math.floor(version / HEAVY) * (MAX_WEIGHT / 2) },
    onShed: () => {
      shed.count += 1;
    },
  });
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

it('writes a value again that Redis did not take, while it writes others', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { queue, written, pending, finishAll } = slowQueue();
  queue.enqueue('key', 1);
  pending.shift()?.(false);
  await nextTick();
  expect(written, 'waits before the next attempt').toEqual([['key', 1]]);
  queue.enqueue('other', 1);
  await finishAll();
  expect(written).toContainEqual(['other', 1]);
  vi.runAllTimers();
  await finishAll();
  expect(written.filter(([id]) => id === 'key').length).toBe(2);
});

it('does not replace a newer value by the one that Redis did not take', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { queue, written, pending, finishAll } = slowQueue();
  for (let index = 0; index < 64; index += 1) queue.enqueue(`key-${index}`, 1);
  queue.enqueue('key-0', 3);
  pending.shift()?.(false);
  await nextTick();
  vi.runAllTimers();
  await finishAll();
  expect(written.filter(([id]) => id === 'key-0')).toEqual([
    ['key-0', 1],
    ['key-0', 3],
  ]);
});

it('sheds the oldest values above the weight limit', async () => {
  const { queue, written, finishAll, shed } = slowQueue();
  for (let index = 0; index < 64; index += 1) queue.enqueue(`key-${index}`, 1);
  for (let index = 0; index < 5; index += 1) queue.enqueue(`heavy-${index}`, HEAVY);
  expect(queue.size).toBe(2);
  await finishAll();
  expect(written.slice(64)).toEqual([
    ['heavy-3', HEAVY],
    ['heavy-4', HEAVY],
  ]);
  expect(shed.count).toBe(3);
});

it('drains: resolves when every value is written', async () => {
  const { queue, written, pending, finishAll } = slowQueue();
  for (let index = 0; index < 100; index += 1) queue.enqueue(`key-${index}`, 1);
  const drained = queue.drain(10_000).then(() => written.length);
  expect(pending.length).toBe(64);
  await finishAll();
  expect(await drained).toBe(100);
});

it.each([
  [0, 0],
  [1, 20],
])('with %i values that are not written, a drain of 20 ms takes %i ms', async (values, takesMs) => {
  vi.useFakeTimers();
  const { queue } = slowQueue();
  for (let nth = 0; nth < values; nth += 1) queue.enqueue(`key-${nth}`, 1);
  let endedAtMs: number | undefined;
  const startedAtMs = performance.now();
  void queue.drain(20).then(() => {
    endedAtMs = performance.now();
  });
  await vi.advanceTimersByTimeAsync(60);
  expect((endedAtMs ?? 0) - startedAtMs).toBe(takesMs);
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
