import { expect, it } from 'vitest';
import { compare, difference, median, percentile, ratio } from '../../../bench/lib/statistics.ts';

it('returns the middle value as the median, in any order of the values', () => {
  expect(median([5, 1, 3])).toBe(3);
});

it('returns the mean of the two middle values as the median of an even count', () => {
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

it('does not change the argument of median and rejects an empty list', () => {
  const values = [3, 1, 2];
  median(values);
  expect(values).toEqual([3, 1, 2]);
  expect(() => median([])).toThrow(RangeError);
});

it('returns an existing value as the percentile, by nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  expect(percentile(hundred, 0.5)).toBe(50);
  expect(percentile(hundred, 0.99)).toBe(99);
  expect(percentile(hundred, 1)).toBe(100);
  expect(percentile([7], 0.001)).toBe(7);
  expect(() => percentile([], 0.5)).toThrow(RangeError);
});

it('compares within each pair, so that a slower machine does not change a ratio', () => {
  const pairs = [
    { subject: 200, baseline: 100 },
    { subject: 20, baseline: 10 },
    { subject: 3, baseline: 1 },
  ];
  expect(compare(pairs)).toEqual({ median: 2, min: 2, max: 3 });
  expect(ratio({ subject: 1, baseline: 4 })).toBe(0.25);
});

it('returns differences in the unit of the pair', () => {
  expect(compare([{ subject: 350, baseline: 100 }], difference)).toEqual({ median: 250, min: 250, max: 250 });
});
