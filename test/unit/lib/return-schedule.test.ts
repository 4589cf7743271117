import { beforeEach, expect, it } from 'vitest';
import { ReturnSchedule } from '../../../src/lib/return-schedule.ts';

const INTERVAL_MS = 2;
const PER_SECOND = 1_000 / INTERVAL_MS;
let nowMs: number;
let seed: number;
beforeEach(() => {
  nowMs = 12_345;
  seed = 1;
});

/** Repeatable numbers from 0 to less than 1 (Lehmer). */
function random(): number {
  seed = (seed * 48_271) % 2_147_483_647;
  return seed / 2_147_483_647;
}

/** Refuses `count` callers at an even rate, and counts the returns in each second after the first refusal. */
function returns(count: number, perSecond: number): number[] {
  const schedule = new ReturnSchedule(() => nowMs, random);
  const startMs = nowMs;
  const perSecondOfReturn: number[] = [];
  for (let nth = 0; nth < count; nth += 1) {
    nowMs = startMs + (nth * 1_000) / perSecond;
    const atMs = nowMs - startMs + schedule.next(INTERVAL_MS, 0) * 1_000;
    const second = Math.floor(atMs / 1_000);
    perSecondOfReturn[second] = (perSecondOfReturn[second] ?? 0) + 1;
  }
  return perSecondOfReturn;
}

it('lets about as many callers return in each second as can be served', () => {
  const busy = returns(7_500, 1_500).slice(1, 12);
  expect(Math.min(...busy)).toBeGreaterThan(0.75 * PER_SECOND);
  expect(Math.max(...busy)).toBeLessThan(1.25 * PER_SECOND);
});

it('does not let callers that are refused together return together', () => {
  const schedule = new ReturnSchedule(() => nowMs, random);
  const seconds = Array.from({ length: 40_000 }, () => schedule.next(INTERVAL_MS, 0));
  expect(seconds.every((value) => Number.isInteger(value) && value >= 1 && value <= 30)).toBe(true);
  const counts = Array.from({ length: 20 }, (_, nth) => seconds.filter((value) => value === nth + 11).length);
  expect(Math.max(...counts)).toBeLessThan(0.1 * seconds.length);
  expect(Math.min(...counts)).toBeGreaterThan(0.01 * seconds.length);
});

it('says one or two seconds to the first, and more with more callers', () => {
  const schedule = new ReturnSchedule(() => nowMs, random);
  const seconds = Array.from({ length: 5_000 }, () => schedule.next(INTERVAL_MS, 0));
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(Math.max(...seconds.slice(0, 100))).toBeLessThanOrEqual(2);
  expect(mean(seconds.slice(2_000, 3_000))).toBeCloseTo(1 + 2_500 / PER_SECOND, 0);
  expect(mean(seconds.slice(4_000))).toBeCloseTo(1 + 4_500 / PER_SECOND, 0);
});

it('puts a caller behind those that wait', () => {
  const schedule = new ReturnSchedule(
    () => nowMs,
    () => 0.5,
  );
  expect(schedule.next(100, 50)).toBe(5);
});

it('starts again at one second when the earlier callers have returned', () => {
  const schedule = new ReturnSchedule(
    () => nowMs,
    () => 0.5,
  );
  for (let nth = 0; nth < 5_000; nth += 1) schedule.next(INTERVAL_MS, 0);
  nowMs += 15_000;
  expect(schedule.next(INTERVAL_MS, 0)).toBe(1);
});
