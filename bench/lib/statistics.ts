/** Middle value, or the mean of the two middle values. @throws {RangeError} for an empty list */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('the median of an empty list');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/**
 * Nearest-rank percentile: the smallest value such that at least `share` of all values are not greater.
 * @param sorted ascending
 * @param share from 0 to 1
 */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) throw new RangeError('a percentile of an empty list');
  const rank = Math.ceil(share * sorted.length);
  return sorted[Math.min(sorted.length, Math.max(rank, 1)) - 1] as number;
}

/** Subject and baseline from two consecutive measurements. */
export interface Pair {
  subject: number;
  baseline: number;
}

/** Comparison of a subject with its baseline over several pairs. */
export interface Comparison {
  median: number;
  min: number;
  max: number;
}

/** Compares within each pair first, so that a slow phase of the machine affects both sides. */
export function compare(pairs: readonly Pair[], compareOne: (pair: Pair) => number = ratio): Comparison {
  const values = pairs.map(compareOne);
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

export function ratio({ subject, baseline }: Pair): number {
  return subject / baseline;
}

export function difference({ subject, baseline }: Pair): number {
  return subject - baseline;
}
