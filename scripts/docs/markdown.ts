/** First line of every generated page. */
export const GENERATED = '<!-- Generated from the code by `npm run docs`. Edit the code, not this page. -->';

const SHORTEST_RULE = 3;

/** A Markdown table with aligned columns, as the formatter leaves it; cells are escaped. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, column) =>
    Math.max(SHORTEST_RULE, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [first = [], ...others] = cells;
  return [line(first), line(widths.map((width) => '-'.repeat(width))), ...others.map(line)].join('\n');
}

export const code = (text: string) => `\`${text}\``;
