/** Middle value; the mean of the two middle ones for an even count. @throws {RangeError} for no values */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('the median of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/**
 * Nearest-rank percentile: the smallest value that at least `share` of all values do not exceed.
 * @param sorted ascending
 * @param share from 0 to 1
 */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) throw new RangeError('a percentile of nothing');
  const rank = Math.ceil(share * sorted.length);
  return sorted[Math.min(sorted.length, Math.max(rank, 1)) - 1] as number;
}

/** Subject and baseline, measured right after each other. */
export interface Pair {
  subject: number;
  baseline: number;
}

/** How a subject stands to its baseline over several pairs. */
export interface Comparison {
  median: number;
  min: number;
  max: number;
}

/** Compares within each pair first, so that a slow minute of the machine falls on both sides of it. */
export function compare(pairs: readonly Pair[], how: (pair: Pair) => number = ratio): Comparison {
  const values = pairs.map(how);
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

export function ratio({ subject, baseline }: Pair): number {
  return subject / baseline;
}

export function difference({ subject, baseline }: Pair): number {
  return subject - baseline;
}
