import fc from 'fast-check';
import { expect, it } from 'vitest';
import { VersionGaps } from '../../../../src/keys/change-feed/version-gaps.ts';

/** Every version in the gaps. */
function missing(gaps: VersionGaps): number[] {
  const { firsts, lasts } = gaps.ranges;
  return firsts.flatMap((first, index) =>
    Array.from({ length: (lasts[index] ?? 0) - first + 1 }, (_, offset) => first + offset),
  );
}

it('contains exactly the versions that have not appeared', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 60 })),
      fc.array(fc.uniqueArray(fc.integer({ min: 1, max: 60 }))),
      (edges, batches) => {
        const gaps = new VersionGaps();
        const bounds = edges.toSorted((a, b) => a - b);
        for (let index = 0; index + 1 < bounds.length; index += 2) {
          gaps.add(bounds[index] as number, bounds[index + 1] as number, 1);
        }
        const expected = new Set(missing(gaps));
        for (const versions of batches) {
          gaps.fill(versions);
          for (const version of versions) expected.delete(version);
          expect(missing(gaps)).toEqual([...expected]);
          const { firsts, lasts } = gaps.ranges;
          expect(gaps.size).toBe(firsts.length);
          expect(
            firsts.every((first, index) => first <= (lasts[index] ?? 0)),
            'no gap is empty',
          ).toBe(true);
        }
      },
    ),
  );
});

it('forgets a gap when no transaction below its bound is running, and not before', () => {
  const gaps = new VersionGaps();
  gaps.add(1, 4, 100);
  gaps.add(7, 7, 101);
  gaps.forget(99);
  expect(missing(gaps)).toEqual([1, 2, 3, 4, 7]);
  gaps.forget(100);
  expect(missing(gaps)).toEqual([7]);
});

it('keeps the bound of a gap that is filled in part', () => {
  const gaps = new VersionGaps();
  gaps.add(1, 9, 100);
  gaps.fill([5]);
  gaps.forget(99);
  expect(missing(gaps)).toEqual([1, 2, 3, 4, 6, 7, 8, 9]);
  gaps.forget(100);
  expect(gaps.size).toBe(0);
});
