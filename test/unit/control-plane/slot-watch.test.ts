import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { SlotWatch } from '../../../src/control-plane/slot-watch.ts';

let lines: string[];
let aheadBytes: number;
let usable: boolean;
let names: string[];
let watch: SlotWatch;
beforeEach(() => {
  vi.useFakeTimers();
  lines = [];
  aheadBytes = 0;
  usable = true;
  names = ['region_a', 'region_b'];
  const slots = () =>
    names.map((name) => ({ name, kind: 'logical', active: true, retainedBytes: 0, aheadBytes, usable }));
  const query = async (text: string) => (text.includes('pg_wal_lsn_diff') ? slots() : []) as never[];
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

it('reports once, by name, the slots that have lost WAL or were dropped', async () => {
  await vi.advanceTimersByTimeAsync(30_000);
  usable = false;
  await vi.advanceTimersByTimeAsync(30_000);
  usable = true;
  names = ['region_b'];
  await vi.advanceTimersByTimeAsync(30_000);
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({
      level: 50,
      slots: 'region_a, region_b',
      msg: expect.stringMatching(/lost WAL.*run "iam region resync"/),
    }),
    expect.objectContaining({ level: 30, msg: 'no slot lacks WAL that its region needs' }),
    expect.objectContaining({
      level: 50,
      slots: 'region_a',
      msg: expect.stringMatching(/were dropped.*run "iam region resync"/),
    }),
  ]);
});
