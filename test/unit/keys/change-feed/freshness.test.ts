import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Freshness } from '../../../../src/keys/change-feed/freshness.ts';

const bounds = { revalidateAfterMs: 2_000, maxStalenessMs: 900_000 };
const START = 10_000_000;

function at(nowMs: number, appliedUntilMs = Number.NEGATIVE_INFINITY): Freshness {
  const freshness = new Freshness(() => nowMs, bounds);
  freshness.appliedUntilMs = appliedUntilMs;
  return freshness;
}

describe('Freshness', () => {
  it.each([
    [0, 'fresh'],
    [2_000, 'fresh'],
    [2_001, 'revalidate'],
    [900_000, 'revalidate'],
    [900_001, 'expired'],
  ])('judges a copy that was read %i ms ago as %s before the change feed has caught up', (ageMs, verdict) => {
    expect(at(START).judge(START - ageMs)).toBe(verdict);
  });

  it('keeps every copy fresh while the change feed is caught up, and ages it with a disconnected feed', () => {
    expect(at(START, START - 2_000).judge(0)).toBe('fresh');
    expect(at(START, START - 2_001).judge(0)).toBe('revalidate');
    expect(at(START, START - 900_001).judge(0)).toBe('expired');
  });

  it('judges a copy as fresh only if its read or appliedUntilMs is within the bound and not in the future', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (sinceReadMs, sinceAppliedMs) => {
        const verdict = at(START, START - sinceAppliedMs).judge(START - sinceReadMs);
        const proves = (ageMs: number) => ageMs >= 0 && ageMs <= bounds.revalidateAfterMs;
        expect(verdict === 'fresh').toBe(proves(sinceReadMs) || proves(sinceAppliedMs));
      }),
    );
  });

  it('does not count a future time as fresh, after a clock was set back or from a pod whose clock is ahead', () => {
    expect(at(START - 3_600_000, START).judge(START)).toBe('expired');
    expect(at(START, START - 5_000).judge(START + 60_000)).toBe('revalidate');
  });
});
