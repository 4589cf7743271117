import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Heartbeat } from '../../../src/control-plane/heartbeat.ts';
import { ClockCheck, CONTROL_PLANE_WORDS } from '../../../src/keys/change-feed/clock-check.ts';

const PRIMARY_MS = 1_700_000_000_000;

let lines: string[];
let aheadMs: number;
let roundTripMs: number;
let clock: ClockCheck;
let heartbeat: Heartbeat;
beforeEach(() => {
  vi.useFakeTimers();
  lines = [];
  aheadMs = 0;
  roundTripMs = 2;
  const startedAtMs = performance.now();
  const passedMs = () => performance.now() - startedAtMs;
  const logger = pino({}, { write: (line) => void lines.push(line) });
  clock = new ClockCheck({
    now: () => PRIMARY_MS + passedMs() + aheadMs,
    monotonicNow: passedMs,
    logger,
    toleranceMs: 5_000,
    words: CONTROL_PLANE_WORDS,
  });
  const query = async () => {
    await vi.advanceTimersByTimeAsync(roundTripMs / 2);
    const primary_time = String((PRIMARY_MS + passedMs()) / 1_000);
    await vi.advanceTimersByTimeAsync(roundTripMs / 2);
    return [{ epoch: 1, counter: '1', primary_time }] as never[];
  };
  heartbeat = new Heartbeat({ query, onEvent: () => {} }, logger, clock);
});
afterEach(async () => {
  await heartbeat.stop();
  vi.useRealTimers();
});

const beat = async () => {
  heartbeat.start(0);
  await vi.advanceTimersByTimeAsync(0);
  await heartbeat.stop();
};
const messages = () => lines.map((line) => JSON.parse(line).msg);

it('a clock an hour ahead of the primary is wrong after one heartbeat, and right again after another', async () => {
  aheadMs = 3_600_000;
  await beat();
  await beat();
  expect(clock.isRight).toBe(false);
  expect(clock.obstacles()).toEqual([
    'the clock of this control plane is 3600.0 s ahead of the clock of the primary; CLOCK_TOLERANCE_MS is 5000',
  ]);
  aheadMs = 0;
  await beat();
  expect(clock.isRight).toBe(true);
  expect(messages()).toEqual([
    expect.stringMatching(
      /^the clock of this control plane is 3600.0 s ahead .* creates, rotates and grants no key/,
    ),
    'the clock of this control plane is right again',
  ]);
});

it('does not blame the clock for a slow primary', async () => {
  roundTripMs = 4_000;
  await beat();
  expect(clock.isRight).toBe(true);
  expect(clock.offsetMs).toBeCloseTo(0);
});
