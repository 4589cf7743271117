import { type Logger, pino } from 'pino';
import { beforeEach, expect, it } from 'vitest';
import { ReplicationWatch } from '../../../../src/keys/change-feed/replication-watch.ts';

let nowMs: number;
let lines: string[];
let logger: Logger;
beforeEach(() => {
  nowMs = 0;
  lines = [];
  logger = pino({}, { write: (line) => void lines.push(line) });
});

const watchWith = (maxAgeMs?: number) => new ReplicationWatch({ maxAgeMs, logger, now: () => nowMs });
const heartbeat = (heartbeatAgeSeconds: number) => ({
  applySeconds: 0.01,
  heartbeatAgeSeconds,
  complete: true,
});

it('is incomplete until it has seen a heartbeat of a complete replica', () => {
  const watch = watchWith();
  expect(watch.complete).toBe(false);
  watch.observe(undefined);
  watch.observe({ ...heartbeat(0), complete: false });
  expect(watch.complete).toBe(false);
  watch.observe(heartbeat(0));
  expect(watch.complete).toBe(true);
});

it('grows older while nobody measures', () => {
  const watch = watchWith();
  expect(watch.ageMs).toBeUndefined();
  watch.observe(heartbeat(2));
  nowMs += 5_000;
  expect(watch.ageMs).toBe(7_000);
});

it('is too old beyond the limit, also before the first heartbeat, and never without a limit', () => {
  const limited = watchWith(10_000);
  expect(limited.isTooOld).toBe(true);
  limited.observe(heartbeat(0));
  expect(limited.isTooOld).toBe(false);
  nowMs += 10_001;
  expect(limited.isTooOld).toBe(true);
  const unlimited = watchWith();
  expect(unlimited.isTooOld).toBe(false);
  unlimited.observe(heartbeat(1_000_000));
  expect(unlimited.isTooOld).toBe(false);
});

it('logs one error line per minute while replication stands still', () => {
  const watch = watchWith();
  watch.observe(heartbeat(0));
  for (let second = 0; second < 180; second += 1) {
    nowMs += 1_000;
    watch.check();
  }
  expect(lines.map((line) => JSON.parse(line).replication_age_seconds)).toEqual([31, 91, 151]);
  watch.observe(heartbeat(0));
  watch.check();
  expect(lines).toHaveLength(3);
});
