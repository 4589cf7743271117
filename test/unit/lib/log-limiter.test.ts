import { expect, it } from 'vitest';
import { LogLimiter } from '../../../src/lib/log-limiter.ts';

it('admits a line per interval and kind, also after the clock went back', () => {
  let nowMs = 3_600_000;
  const limiter = new LogLimiter(() => nowMs, 1_000);
  expect([limiter.admit('a'), limiter.admit('a'), limiter.admit('b')]).toEqual([0, undefined, 0]);
  nowMs += 1_000;
  expect([limiter.admit('a'), limiter.admit('a')]).toEqual([1, undefined]);
  nowMs = 0;
  expect([limiter.admit('a'), limiter.admit('a')]).toEqual([1, undefined]);
});
