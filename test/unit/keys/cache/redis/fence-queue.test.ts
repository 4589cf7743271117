import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { FenceQueue } from '../../../../../src/keys/cache/redis/fence-queue.ts';

function slowQueue() {
  const written: [id: string, version: number][] = [];
  const underWay: (() => void)[] = [];
  const queue = new FenceQueue((id, version) => {
    written.push([id, version]);
    return new Promise<void>((resolve) => underWay.push(resolve));
  });
  const finishAll = async () => {
    while (underWay.length > 0) {
      for (const finish of underWay.splice(0)) finish();
      await turn();
    }
  };
  return { queue, written, underWay, finishAll };
}

it('a flood of changes is written a few at a time, and all of it', async () => {
  const { queue, written, underWay, finishAll } = slowQueue();
  for (let index = 0; index < 1_000; index += 1) queue.enqueue(`key-${index}`, index);
  expect(underWay.length).toBeLessThanOrEqual(64);
  await finishAll();
  expect(new Set(written.map(([id]) => id)).size).toBe(1_000);
});

it('changes of one key that wait become one tombstone, of the newest version', async () => {
  const { queue, written, finishAll } = slowQueue();
  for (let index = 0; index < 64; index += 1) queue.enqueue(`key-${index}`, 1);
  for (const version of [5, 7, 6]) queue.enqueue('changed', version);
  await finishAll();
  expect(written.filter(([id]) => id === 'changed')).toEqual([['changed', 7]]);
});

it('while nothing can be written the newest are kept and memory stays bounded', async () => {
  const { queue, written, finishAll } = slowQueue();
  for (let index = 0; index < 50_000; index += 1) queue.enqueue(`key-${index}`, index);
  await finishAll();
  expect(written).toHaveLength(64 + 10_000);
  expect(written.at(-1)).toEqual(['key-49999', 49_999]);
});

it('it goes on after it has been empty', async () => {
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
