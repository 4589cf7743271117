import { expect, it } from 'vitest';
import { absoluteRow, meets, pairedRow } from '../../../bench/lib/row.ts';

const description = { case: 'a case', measure: 'throughput', against: 'something', unit: 'req/s' };

it('meets a target at the bound itself and misses it with NaN', () => {
  expect(meets(1, { bound: 'at least', value: 1 })).toBe(true);
  expect(meets(0.999, { bound: 'at least', value: 1 })).toBe(false);
  expect(meets(3, { bound: 'at most', value: 3 })).toBe(true);
  expect(meets(Number.NaN, { bound: 'at most', value: 3 })).toBe(false);
});

it('uses the median of the ratios, not the ratio of the medians', () => {
  const pairs = [
    { subject: 10, baseline: 1 },
    { subject: 100, baseline: 100 },
    { subject: 90, baseline: 100 },
  ];
  const row = pairedRow({ ...description, target: { bound: 'at least', value: 1 } }, pairs);
  expect(row.comparison.median).toBe(1);
  expect([row.subject, row.baseline]).toEqual([90, 100]);
  expect(row.met).toBe(true);
});

it('neither meets nor misses a target if the row has none', () => {
  expect(absoluteRow(description, [3, 1, 2])).toMatchObject({ subject: 2, baseline: null, met: null });
});
