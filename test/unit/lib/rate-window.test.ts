import { expect, it } from 'vitest';
import { RateWindow } from '../../../src/lib/rate-window.ts';

const windowOf = (max: number, clock: { nowMs: number }, maxKeys = 100) =>
  new RateWindow({ max, maxKeys, now: () => clock.nowMs });

it('refuses a key beyond its limit until the window ends, and no other key', () => {
  const clock = { nowMs: 0 };
  const rate = windowOf(2, clock);
  expect([rate.take('a'), rate.take('a')]).toEqual([undefined, undefined]);
  clock.nowMs = 30_500;
  expect([rate.take('a'), rate.take('b')]).toEqual([30, undefined]);
  clock.nowMs = 60_000;
  expect(rate.take('a')).toBeUndefined();
});

it('counts a refunded event as if it had not happened', () => {
  const rate = windowOf(1, { nowMs: 0 });
  rate.take('a');
  rate.refund('a');
  expect(rate.take('a')).toBeUndefined();
  rate.refund('a');
  rate.refund('a');
  rate.take('a');
  expect(rate.take('a')).toBe(60);
});

it('counts a bounded number of keys', () => {
  const rate = windowOf(1, { nowMs: 0 }, 10);
  for (let key = 0; key < 1_000; key += 1) rate.take(String(key));
  expect(rate.take('999')).toBe(60);
  expect(rate.take('0')).toBeUndefined();
});

it('opens another window after the clock went back', () => {
  const clock = { nowMs: 3_600_000 };
  const rate = windowOf(1, clock);
  expect([rate.take('a'), rate.take('a')]).toEqual([undefined, 60]);
  clock.nowMs = 0;
  expect([rate.take('a'), rate.take('a')]).toEqual([undefined, 60]);
});
