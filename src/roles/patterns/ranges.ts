import { MAX_CODE_POINT, type Ranges } from './term.ts';

export type Range = readonly [from: number, to: number];

export function pairsOf(ranges: Ranges): Range[] {
  return Array.from({ length: ranges.length / 2 }, (_, at) => [ranges[at * 2] ?? 0, ranges[at * 2 + 1] ?? 0]);
}

/** The code points of any of the ranges. @param pairs in any order; they may overlap */
export function unionOf(pairs: readonly Range[]): Ranges {
  const union: number[] = [];
  for (const [from, to] of pairs.toSorted((one, two) => one[0] - two[0])) {
    const last = union.at(-1);
    if (last !== undefined && from <= last + 1) union[union.length - 1] = Math.max(last, to);
    else union.push(from, to);
  }
  return union;
}

/** All other code points. */
export function complementOf(ranges: Ranges): Ranges {
  const complement: number[] = [];
  let next = 0;
  for (const [from, to] of pairsOf(ranges)) {
    if (from > next) complement.push(next, from - 1);
    next = to + 1;
  }
  if (next <= MAX_CODE_POINT) complement.push(next, MAX_CODE_POINT);
  return complement;
}
