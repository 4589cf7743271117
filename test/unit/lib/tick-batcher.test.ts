import { setImmediate as nextTick } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { TickBatcher } from '../../../src/lib/tick-batcher.ts';

function recordingBatcher(maxBatchSize = Number.POSITIVE_INFINITY) {
  const batches: number[][] = [];
  const batcher = new TickBatcher(maxBatchSize, async (items: number[]) => {
    batches.push(items);
    if (items.includes(13)) throw new Error('unlucky');
    return items.map((item) => `result ${item}`);
  });
  return { batcher, batches };
}

describe('TickBatcher', () => {
  it('sends the items of one tick as one batch and gives each caller its own result', async () => {
    const { batcher, batches } = recordingBatcher();
    expect(await Promise.all([batcher.add(1), batcher.add(2), batcher.add(1)])).toEqual([
      'result 1',
      'result 2',
      'result 1',
    ]);
    expect(batches).toEqual([[1, 2, 1]]);
  });

  it('sends the items of a later tick as another batch', async () => {
    const { batcher, batches } = recordingBatcher();
    const first = batcher.add(1);
    await nextTick();
    await Promise.all([first, batcher.add(2)]);
    expect(batches).toEqual([[1], [2]]);
  });

  it('splits a tick into batches of the maximum size', async () => {
    const { batcher, batches } = recordingBatcher(2);
    const results = await Promise.all([1, 2, 3, 4, 5].map((item) => batcher.add(item)));
    expect(batches).toEqual([[1, 2], [3, 4], [5]]);
    expect(results.at(-1)).toBe('result 5');
  });

  it('rejects every caller of a failed batch, and no caller of another batch', async () => {
    const { batcher } = recordingBatcher(2);
    const results = await Promise.allSettled([13, 1, 2].map((item) => batcher.add(item)));
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    await expect(batcher.add(3)).resolves.toBe('result 3');
  });

  it('rejects every caller if sending throws before it returns a promise', async () => {
    const batcher = new TickBatcher(10, (): Promise<string[]> => {
      throw new Error('not connected');
    });
    await expect(batcher.add(1)).rejects.toThrow('not connected');
  });

  it('resolves to undefined for an item without a result', async () => {
    const batcher = new TickBatcher<string, string | undefined>(10, async () => []);
    expect(await batcher.add('item')).toBeUndefined();
  });
});
