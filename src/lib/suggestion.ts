/** The most similar candidate, if it is similar enough to be a misspelling. Candidates that differ by case come first. */
export function suggestion(text: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(2, Math.floor(text.length / 3)) + 1;
  for (const candidate of candidates) {
    const found = distance(text.toLowerCase(), candidate.toLowerCase());
    if (found >= bestDistance) continue;
    best = candidate;
    bestDistance = found;
  }
  return best;
}

/** Edits between two texts: insertions, deletions, replacements, and swaps of neighbours (Damerau, optimal alignment). */
function distance(one: string, two: string): number {
  const rows = [Array.from({ length: two.length + 1 }, (_, at) => at)];
  const at = (row: number, column: number) => rows[row]?.[column] ?? 0;
  for (let row = 1; row <= one.length; row += 1) {
    rows[row] = [row];
    for (let column = 1; column <= two.length; column += 1) {
      const replaced = at(row - 1, column - 1) + (one[row - 1] === two[column - 1] ? 0 : 1);
      const swapped =
        one[row - 1] === two[column - 2] && one[row - 2] === two[column - 1] && row > 1 && column > 1
          ? at(row - 2, column - 2) + 1
          : Number.POSITIVE_INFINITY;
      rows[row]?.push(Math.min(at(row - 1, column) + 1, at(row, column - 1) + 1, replaced, swapped));
    }
  }
  return at(one.length, two.length);
}
