import { type Logger, pino } from 'pino';
import { beforeEach, expect, it } from 'vitest';
import { ReplicationWatch } from '../../../../src/keys/change-feed/replication-watch.ts';
import { goodEvidence } from '../../../support/evidence.ts';

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
  evidence: goodEvidence,
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
  nowMs += 10_000;
  expect(limited.isTooOld).toBe(false);
  nowMs += 1;
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
  expect(lines.map((line) => JSON.parse(line).replication_age_seconds)).toEqual([16, 76, 136]);
  watch.observe(heartbeat(0));
  watch.check();
  expect(lines).toHaveLength(3);
});

const subscription = {
  enabled: 1,
  disabled: 0,
  worker: 17 as number | null,
  messageAgeSeconds: 0 as number | null,
  errors: 7,
  conflicts: {},
  blockedBy: [] as number[],
};

it.each([
  ['disabled', { enabled: 0, disabled: 1 }, /the subscription is disabled/],
  ['absent', { enabled: 0 }, /the region has no subscription/],
  ['blocked', { blockedBy: [12, 13] }, /waits for a lock that session 12, 13 holds/],
  ['failing', { errors: 9, conflicts: { insert_exists: 2 } }, /fails to apply a change.*insert_exists 2/],
  ['not connected', { worker: null, messageAgeSeconds: null }, /does not receive from the primary/],
  ['about to connect', { worker: 18, messageAgeSeconds: null }, /does not receive from the primary/],
  [
    'connected again, and idle',
    { worker: 18, messageAgeSeconds: 29 },
    /may be an older copy or lack changes that the region has: iam region status/,
  ],
  ['idle', { messageAgeSeconds: 29 }, /the control plane is down/],
])('names the cause: a subscription that is %s', (_name, fault, message) => {
  const watch = watchWith();
  watch.observe({ ...heartbeat(0), subscription });
  watch.observe({ ...heartbeat(27), subscription: { ...subscription, ...fault } });
  nowMs += 4_000;
  watch.observe({ ...heartbeat(31), subscription: { ...subscription, ...fault } });
  watch.check();
  expect(lines.map((line) => JSON.parse(line).msg)).toEqual([expect.stringMatching(message)]);
});

it('names the cause: workers that cannot connect, each with the time of its start as that of a message', () => {
  const watch = watchWith();
  watch.observe({ ...heartbeat(0), subscription });
  for (const worker of [18, 19, 20]) {
    nowMs += 1_000;
    watch.observe({ ...heartbeat(31), subscription: { ...subscription, worker, messageAgeSeconds: 0 } });
  }
  watch.check();
  expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
    expect.stringMatching(/does not receive from the primary/),
  ]);
});

it('a pod that cannot read its replica says so, and blames nothing else', () => {
  const watch = watchWith();
  watch.observe({ ...heartbeat(0), subscription });
  nowMs += 16_000;
  watch.check();
  expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
    expect.stringMatching(/^this pod has not read its replica for 16 s/),
  ]);
  expect(lines[0]).not.toContain('control plane');
});

it('may lack keys from the loss of the connection until live heartbeats have arrived over the next one', () => {
  const watch = watchWith();
  const observe = (ageSeconds: number, worker: number | null) => {
    nowMs += 1_000;
    watch.observe({ ...heartbeat(ageSeconds), subscription: { ...subscription, worker } });
    return watch.mayLackKeys;
  };
  expect(observe(0.5, 17)).toBe(false);
  expect(observe(1.5, null)).toBe(true);
  expect(observe(2.5, 18)).toBe(true);
  expect(observe(0.1, 18), 'it may be older than a change that is applied next').toBe(true);
  expect(observe(0.9, 18), 'another one of the outage').toBe(true);
  expect(observe(0.1, 18)).toBe(false);
  expect(observe(1.1, 19), 'the connection was lost and opened again between two measurements').toBe(true);
  expect(observe(0.1, 19)).toBe(true);
  expect(observe(0.1, 19)).toBe(false);
});

it('may lack keys while heartbeats arrive long after they were written', () => {
  const watch = watchWith();
  watch.observe({ ...heartbeat(0), applySeconds: 10.001 });
  expect(watch.mayLackKeys).toBe(true);
  watch.observe({ ...heartbeat(0), applySeconds: 10 });
  expect(watch.mayLackKeys).toBe(false);
});

it('a worker that is started again and again, and cannot connect, is not connected', () => {
  const watch = watchWith();
  watch.observe({ ...heartbeat(0), subscription });
  watch.observe({ ...heartbeat(30), subscription: { ...subscription, worker: 18, messageAgeSeconds: null } });
  nowMs += 1_000;
  watch.observe({ ...heartbeat(31), subscription: { ...subscription, messageAgeSeconds: null } });
  watch.check();
  expect(lines.map((line) => JSON.parse(line).msg)).toEqual([expect.stringMatching(/does not receive/)]);
});

it('logs failures to apply before replication counts as stopped, and the next outage at once', () => {
  const watch = watchWith();
  const observe = (ageSeconds: number, errors: number) => {
    nowMs += 1_000;
    watch.observe({ ...heartbeat(ageSeconds), subscription: { ...subscription, errors } });
    watch.check();
  };
  // Age of the heartbeat and errors: two outages with retries, and between them a connection that was lost.
  const seconds = [
    [0, 7],
    [1, 7],
    [4, 8],
    [5, 9],
    [0, 9],
    [4, 10],
    [5, 10],
    [0, 10],
    [4, 11],
    [5, 12],
  ] as const;
  for (const [ageSeconds, errors] of seconds) observe(ageSeconds, errors);
  expect(lines.map((line) => JSON.parse(line).apply_errors)).toEqual([9, 12]);
});

it('may lack keys until the replica is complete, and once no heartbeat arrives for ten seconds', () => {
  const watch = watchWith();
  expect(watch.mayLackKeys).toBe(true);
  watch.observe(heartbeat(0));
  expect(watch.mayLackKeys).toBe(false);
  nowMs += 10_000;
  expect(watch.mayLackKeys).toBe(false);
  nowMs += 1;
  expect(watch.mayLackKeys).toBe(true);
});

it('may lack keys after a heartbeat that arrived as the connection was lost, and until one half a second later', () => {
  const watch = watchWith();
  const observe = (afterMs: number, worker: number) => {
    nowMs += afterMs;
    watch.observe({ ...heartbeat(0), subscription: { ...subscription, worker } });
    return watch.mayLackKeys;
  };
  observe(0, 17);
  expect(observe(1_000, 18), 'at once with the next worker').toBe(true);
  expect(observe(1_000, 18), 'the first one').toBe(true);
  expect(observe(499, 18)).toBe(true);
  expect(observe(1, 18)).toBe(false);
});

const CONTROL_PLANE = /the control plane is down, or cannot write/;
const DISCONNECTED = /does not receive from the primary/;
const RECONNECTED = /is connected to the primary again/;
const silent = { worker: 18, messageAgeSeconds: null };
const receiving = { worker: 18, messageAgeSeconds: 1 };

it.each([
  // Time from the next worker to the check, age of the heartbeat when that worker was seen, and the last state.
  [14_999, 16, silent, DISCONNECTED],
  [15_000, 16, silent, RECONNECTED],
  [3_000, 16, receiving, DISCONNECTED],
  [3_001, 16, receiving, RECONNECTED],
  [15_001, 0, silent, CONTROL_PLANE],
  [15_001, 0.001, silent, RECONNECTED],
])(
  '%i ms after the next worker, with a heartbeat of %d s before it and %o, the cause is %s',
  (afterMs, ageSeconds, state, message) => {
    const watch = watchWith();
    watch.observe({ ...heartbeat(0), subscription });
    nowMs += 60_000;
    watch.observe({ ...heartbeat(ageSeconds), subscription: { ...subscription, ...state } });
    nowMs += afterMs;
    watch.observe({
      ...heartbeat(ageSeconds + afterMs / 1_000),
      subscription: { ...subscription, ...state },
    });
    watch.check();
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual([expect.stringMatching(message)]);
  },
);

it.each([
  [0, 14_999, /fails to apply a change/],
  [0, 15_000, CONTROL_PLANE],
  [5_000, 15_000, CONTROL_PLANE],
  [5_001, 15_000, /^this pod has not read its replica for 5 s/],
])(
  'checks %i ms after the last measurement, and %i ms after the last error',
  (measuredMs, erroredMs, message) => {
    const watch = watchWith();
    watch.observe({ ...heartbeat(0), subscription });
    watch.observe({ ...heartbeat(20), subscription: { ...subscription, errors: 9 } });
    nowMs += erroredMs - measuredMs;
    watch.observe({ ...heartbeat(40), subscription: { ...subscription, errors: 9 } });
    nowMs += measuredMs;
    watch.check();
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual([expect.stringMatching(message)]);
  },
);

it.each([
  ['once per minute while it measures an old heartbeat', [20, 21, 22], 1],
  ['once per outage', [20, 2.9, 20], 2],
  ['not as another outage after a heartbeat that is not young', [20, 3, 20], 1],
])('logs %s', (_, agesSeconds, count) => {
  const watch = watchWith();
  for (const ageSeconds of agesSeconds) {
    nowMs += 1_000;
    watch.observe(heartbeat(ageSeconds));
    watch.check();
  }
  expect(lines).toHaveLength(count);
});
