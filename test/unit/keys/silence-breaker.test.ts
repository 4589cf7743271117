import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { SilenceBreaker } from '../../../src/keys/silence-breaker.ts';

describe('SilenceBreaker', () => {
  it('opens only if no call has succeeded within silenceMs', async () => {
    const breaker = new SilenceBreaker({ failures: 3, silenceMs: 50 });
    breaker.success();
    expect(Array.from({ length: 10 }, () => breaker.failure())).not.toContain(true);
    await sleep(60);
    expect(breaker.failure()).toBe(true);
  });

  it('opens after the failures alone if no call has ever succeeded', () => {
    const breaker = new SilenceBreaker({ failures: 3, silenceMs: 60_000 });
    expect([breaker.failure(), breaker.failure(), breaker.failure()]).toEqual([false, false, true]);
  });

  it('resets the count of failures after a success', async () => {
    const breaker = new SilenceBreaker({ failures: 2, silenceMs: 10 });
    breaker.failure();
    breaker.success();
    await sleep(20);
    expect([breaker.failure(), breaker.failure()]).toEqual([false, true]);
  });
});
