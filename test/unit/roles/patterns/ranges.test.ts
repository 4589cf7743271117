import { expect, it } from 'vitest';
import { complementOf, pairsOf, type Range, unionOf } from '../../../../src/roles/patterns/ranges.ts';
import { MAX_CODE_POINT, type Ranges } from '../../../../src/roles/patterns/term.ts';

it.each<[Range[], Ranges]>([
  [[], []],
  [
    [
      [5, 6],
      [1, 2],
    ],
    [1, 2, 5, 6],
  ],
  [
    [
      [1, 2],
      [3, 4],
    ],
    [1, 4],
  ],
  [
    [
      [1, 2],
      [4, 5],
    ],
    [1, 2, 4, 5],
  ],
  [
    [
      [1, 9],
      [2, 3],
    ],
    [1, 9],
  ],
])('the union of %j is %j', (pairs, ranges) => {
  expect(unionOf(pairs)).toEqual(ranges);
  expect(unionOf(pairsOf(ranges))).toEqual(ranges);
});

it.each<[Ranges, Ranges]>([
  [[], [0, MAX_CODE_POINT]],
  [
    [0, 5],
    [6, MAX_CODE_POINT],
  ],
  [
    [1, 5],
    [0, 0, 6, MAX_CODE_POINT],
  ],
  [
    [3, 5, 7, 8],
    [0, 2, 6, 6, 9, MAX_CODE_POINT],
  ],
  [
    [5, MAX_CODE_POINT - 1],
    [0, 4, MAX_CODE_POINT, MAX_CODE_POINT],
  ],
])('the complement of %j is %j, and the other way round', (ranges, complement) => {
  expect(complementOf(ranges)).toEqual(complement);
  expect(complementOf(complement)).toEqual(ranges);
});
