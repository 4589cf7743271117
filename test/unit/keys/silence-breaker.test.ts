import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { SilenceBreaker } from '../../../src/keys/silence-breaker.ts';

it('failures open it only when nobody has been answered for a while', async () => {
  const breaker = new SilenceBreaker({ failures: 3, silenceMs: 50 });
  breaker.success();
  expect(Array.from({ length: 10 }, () => breaker.failure())).not.toContain(true);
  await sleep(60);
  expect(breaker.failure()).toBe(true);
});

it('a server that has never answered is given up after the failures alone', () => {
  const breaker = new SilenceBreaker({ failures: 3, silenceMs: 60_000 });
  expect([breaker.failure(), breaker.failure(), breaker.failure()]).toEqual([false, false, true]);
});

it('an answer starts the count anew', async () => {
  const breaker = new SilenceBreaker({ failures: 2, silenceMs: 10 });
  breaker.failure();
  breaker.success();
  await sleep(20);
  expect([breaker.failure(), breaker.failure()]).toEqual([false, true]);
});
