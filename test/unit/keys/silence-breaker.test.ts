import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SilenceBreaker } from '../../../src/keys/silence-breaker.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('SilenceBreaker', () => {
  it('opens only if no call has succeeded within silenceMs', () => {
    const breaker = new SilenceBreaker({ failures: 3, silenceMs: 50 });
    expect([breaker.hasResponded, breaker.responding]).toEqual([false, false]);
    breaker.success();
    vi.advanceTimersByTime(49);
    expect([breaker.hasResponded, breaker.responding]).toEqual([true, true]);
    expect(Array.from({ length: 10 }, () => breaker.failure())).not.toContain(true);
    vi.advanceTimersByTime(1);
    expect([breaker.hasResponded, breaker.responding]).toEqual([true, false]);
    expect(breaker.failure()).toBe(true);
  });

  it('opens after the failures alone if no call has ever succeeded', () => {
    const breaker = new SilenceBreaker({ failures: 3, silenceMs: 60_000 });
    expect([breaker.failure(), breaker.failure(), breaker.failure()]).toEqual([false, false, true]);
  });

  it('resets the count of failures after a success', () => {
    const breaker = new SilenceBreaker({ failures: 2, silenceMs: 10 });
    breaker.failure();
    breaker.success();
    vi.advanceTimersByTime(20);
    expect([breaker.failure(), breaker.failure()]).toEqual([false, true]);
  });
});
