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

describe('a copy', () => {
  it.each([
    [0, 'fresh'],
    [2_000, 'fresh'],
    [2_001, 'revalidate'],
    [900_000, 'revalidate'],
    [900_001, 'expired'],
  ])('that was read %i ms ago is %s while nothing is known of the change feed', (ageMs, verdict) => {
    expect(at(START).judge(START - ageMs)).toBe(verdict);
  });

  it('however old is fresh while the change feed is whole, and ages with the feed once it is not', () => {
    expect(at(START, START - 2_000).judge(0)).toBe('fresh');
    expect(at(START, START - 2_001).judge(0)).toBe('revalidate');
    expect(at(START, START - 900_001).judge(0)).toBe('expired');
  });

  it('is fresh only if one of both moments is not longer ago, and not later, than the bound', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (sinceReadMs, sinceWholeMs) => {
        const verdict = at(START, START - sinceWholeMs).judge(START - sinceReadMs);
        const proves = (ageMs: number) => ageMs >= 0 && ageMs <= bounds.revalidateAfterMs;
        expect(verdict === 'fresh').toBe(proves(sinceReadMs) || proves(sinceWholeMs));
      }),
    );
  });

  it('is not kept fresh by a clock that was set back, nor by the clock of another pod that is ahead', () => {
    expect(at(START - 3_600_000, START).judge(START)).toBe('expired');
    expect(at(START, START - 5_000).judge(START + 60_000)).toBe('revalidate');
  });
});
