/** One side of a comparison: runs one measurement. */
export type Side<T> = () => Promise<T>;

/**
 * Measures both sides in turn (A B A B …) and returns the pairs.
 *
 * The caller warms up both sides. The subject is first in every pair, so that effects of one side on the next
 * measurement (page cache, heat) are the same in all pairs.
 */
export async function alternate<T>(
  count: number,
  subject: Side<T>,
  baseline: Side<T>,
  onPair: (pair: { subject: T; baseline: T }, index: number) => void = () => {},
): Promise<{ subject: T; baseline: T }[]> {
  const pairs: { subject: T; baseline: T }[] = [];
  for (let index = 0; index < count; index += 1) {
    const pair = { subject: await subject(), baseline: await baseline() };
    pairs.push(pair);
    onPair(pair, index);
  }
  return pairs;
}
