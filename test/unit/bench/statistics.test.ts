import { expect, test } from 'vitest';
import { compare, difference, median, percentile, ratio } from '../../../bench/lib/statistics.ts';

test('the median is the middle value, in whatever order the values come', () => {
  expect(median([5, 1, 3])).toBe(3);
});

test('the median of an even count is the mean of the two in the middle', () => {
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test('the median leaves its argument as it is, and of nothing there is none', () => {
  const values = [3, 1, 2];
  median(values);
  expect(values).toEqual([3, 1, 2]);
  expect(() => median([])).toThrow(RangeError);
});

test('a percentile is a value that occurs, by nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  expect(percentile(hundred, 0.5)).toBe(50);
  expect(percentile(hundred, 0.99)).toBe(99);
  expect(percentile(hundred, 1)).toBe(100);
  expect(percentile([7], 0.001)).toBe(7);
  expect(() => percentile([], 0.5)).toThrow(RangeError);
});

test('ratios are taken within each pair: a machine that gets slower changes none of them', () => {
  const pairs = [
    { subject: 200, baseline: 100 },
    { subject: 20, baseline: 10 },
    { subject: 3, baseline: 1 },
  ];
  expect(compare(pairs)).toEqual({ median: 2, min: 2, max: 3 });
  expect(ratio({ subject: 1, baseline: 4 })).toBe(0.25);
});

test('differences keep the unit of the pair', () => {
  expect(compare([{ subject: 350, baseline: 100 }], difference)).toEqual({ median: 250, min: 250, max: 250 });
});
