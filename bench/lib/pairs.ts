/** One side of a comparison: measures itself for a while. */
export type Side<T> = () => Promise<T>;

/**
 * Measures in alternation, A B A B …, and gives the pairs.
 *
 * Both sides are warmed up by their callers. Which side goes first stays the same in all pairs: what one leaves
 * behind (page cache, heat) then meets the other one alike in each of them.
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
