/** A number with its noun, whose plural ends in "s": "1 bucket", "2 buckets". */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
