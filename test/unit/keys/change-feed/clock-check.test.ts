import fc from 'fast-check';
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { ClockCheck } from '../../../../src/keys/change-feed/clock-check.ts';

const TOLERANCE_MS = 5_000;
const REPLICA_MS = 1_700_000_000_000;

/** A pod whose clock is ahead of the replica by `aheadMs`, and the time since its start. */
function start(aheadMs: number) {
  const state = { aheadMs, passedMs: 0 };
  const lines: string[] = [];
  const logger = pino({ base: null }, { write: (line) => void lines.push(line) });
  const clock = new ClockCheck({
    now: () => REPLICA_MS + state.passedMs + state.aheadMs,
    monotonicNow: () => state.passedMs,
    logger,
    toleranceMs: TOLERANCE_MS,
  });
  /** @param share which part of the round trip passed before the replica read its clock */
  const compare = (roundTripMs = 2, share = 0.5) => {
    const sentAtMs = clock.monotonicNow();
    state.passedMs += roundTripMs;
    return clock.compare(REPLICA_MS + sentAtMs + share * roundTripMs, sentAtMs);
  };
  return { clock, state, compare, lines };
}

describe('ClockCheck', () => {
  it('does not know the clock before the first comparison', () => {
    const { clock, compare, lines } = start(0);
    expect(clock.isRight).toBe(false);
    expect(clock.offsetMs).toBeUndefined();
    expect(clock.hasPassed(REPLICA_MS + 60_000)).toBeUndefined();
    expect(clock.judge(), 'turned').toBe(false);
    expect(clock.obstacles()).toEqual(['the clock has not been compared with the clock of the replica yet']);
    expect(lines).toEqual([]);
    compare();
    expect(clock.isRight).toBe(true);
    expect(clock.obstacles()).toEqual([]);
  });

  it('never calls a clock right that differs by more than the tolerance, wherever the round trip took its time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -20_000, max: 20_000 }),
        fc.integer({ min: 0, max: 10_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (aheadMs, roundTripMs, share) => {
          const { clock, compare } = start(aheadMs);
          compare(roundTripMs, share);
          if (Math.abs(aheadMs) > TOLERANCE_MS) expect(clock.isRight).toBe(false);
          if (Math.abs(aheadMs) + roundTripMs <= TOLERANCE_MS) expect(clock.isRight).toBe(true);
        },
      ),
    );
  });

  it.each([
    [0, [true, false]],
    [4_000, [true, false]],
    [-4_000, [true, false]],
    [3_600_000, [true, undefined]],
    [-3_600_000, [undefined, false]],
  ])(
    'with a clock %i ms ahead, times a minute ago and in a minute have passed or not by the replica, or are undecidable',
    (aheadMs, expected) => {
      const { clock, state, compare } = start(0);
      expect(clock.hasPassed(REPLICA_MS)).toBeUndefined();
      compare(0);
      state.aheadMs = aheadMs;
      const minuteMs = 60_000;
      expect([REPLICA_MS - minuteMs, REPLICA_MS + minuteMs].map((atMs) => clock.hasPassed(atMs))).toEqual(
        expected,
      );
      const [past, future] = [REPLICA_MS - 7_200_000, REPLICA_MS + 7_200_000];
      expect([clock.hasPassed(past), clock.hasPassed(future)]).toEqual([true, false]);
    },
  );

  it.each([
    [0, 0, true],
    [0, 1, false],
    [TOLERANCE_MS, TOLERANCE_MS, false],
    [TOLERANCE_MS + 1, TOLERANCE_MS, undefined],
    [TOLERANCE_MS + 1, TOLERANCE_MS + 1, undefined],
    [TOLERANCE_MS + 1, TOLERANCE_MS + 2, false],
    [-TOLERANCE_MS - 1, 0, undefined],
    [-TOLERANCE_MS - 1, -TOLERANCE_MS - 1, true],
  ])(
    'with a clock %i ms ahead, a time %i ms after that of the replica has passed: %s',
    (aheadMs, afterMs, passed) => {
      const { clock, state, compare } = start(0);
      compare(0);
      state.aheadMs = aheadMs;
      expect(clock.hasPassed(REPLICA_MS + afterMs)).toBe(passed);
    },
  );

  it.each([
    [TOLERANCE_MS, 0, true],
    [TOLERANCE_MS + 1, 0, false],
    [TOLERANCE_MS / 2, TOLERANCE_MS, true],
    [TOLERANCE_MS / 2 + 1, TOLERANCE_MS, false],
  ])(
    'with a clock %i ms ahead and a round trip of %i ms, the clock is right: %s',
    (aheadMs, roundTripMs, isRight) => {
      const { clock, compare } = start(aheadMs);
      compare(roundTripMs);
      expect(clock.isRight).toBe(isRight);
    },
  );

  it('keeps the former comparison after a response that says too little', () => {
    const { clock, compare } = start(1_000);
    compare();
    compare(60_000, 1);
    expect(clock.isRight).toBe(true);
    expect(clock.offsetMs).toBeCloseTo(1_000);
  });

  it.each([3_600_000, -600_000])(
    'detects a clock that is set by %i ms before the next comparison',
    (byMs) => {
      const { clock, state, compare } = start(0);
      compare();
      state.passedMs += 1_000;
      expect(clock.isRight).toBe(true);
      state.aheadMs += byMs;
      expect(clock.isRight).toBe(false);
      expect(clock.offsetMs).toBeCloseTo(byMs);
    },
  );

  it('calls a wrong clock right only after the feed has learned of it', () => {
    const { clock, state, compare } = start(3_600_000);
    compare();
    state.aheadMs = 0;
    expect(clock.isRight).toBe(false);
    expect(clock.obstacles()).toEqual([expect.stringContaining('0.0 s ahead of')]);
    expect(compare(), 'turned').toBe(true);
    expect(clock.isRight).toBe(true);
    expect(compare(), 'turned').toBe(false);
  });

  it('logs one error per outage, and its end', () => {
    const { clock, state, compare, lines } = start(0);
    for (const aheadMs of [0, 6_000, 7_000, -600_000, 0, 0, -600_000]) {
      state.aheadMs = aheadMs;
      compare();
      clock.judge();
    }
    expect(
      lines.map((line) => JSON.parse(line)).map(({ level, msg }) => `${level} ${msg.slice(0, 48)}`),
    ).toEqual([
      '50 the clock of this pod is 6.0 s ahead of the cloc',
      '30 the clock of this pod is right again',
      '50 the clock of this pod is 600.0 s behind the cloc',
    ]);
  });
});
