import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { SlotWatch } from '../../../src/control-plane/slot-watch.ts';

let lines: string[];
let aheadBytes: number;
let watch: SlotWatch;
beforeEach(() => {
  vi.useFakeTimers();
  lines = [];
  aheadBytes = 0;
  const slot = () => ({ name: 'region_a', kind: 'logical', active: true, retainedBytes: 0, aheadBytes });
  const query = async (text: string) => (text.includes('pg_wal_lsn_diff') ? [slot()] : []) as never[];
  watch = new SlotWatch({ query }, pino({}, { write: (line) => void lines.push(line) }));
  watch.start();
});
afterEach(async () => {
  await watch.stop();
  vi.useRealTimers();
});

it('reports once that a slot is ahead of the primary, and once that regions receive again', async () => {
  await vi.advanceTimersByTimeAsync(30_000);
  expect(lines).toEqual([]);
  aheadBytes = 100;
  await vi.advanceTimersByTimeAsync(30_000);
  aheadBytes = 0;
  await vi.advanceTimersByTimeAsync(30_000);
  expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
    expect.stringMatching(/receive nothing until the primary's WAL is as long again; if it lasts longer/),
    expect.stringMatching(/^regions receive again/),
  ]);
});
