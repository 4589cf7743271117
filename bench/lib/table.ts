import type { Row } from './row.ts';

/** Formats with three significant digits, or as a whole number from 100. */
export function formatFigure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

/** Returns the cells of a row, for the terminal and the documentation. */
export function cells(row: Row): string[] {
  const unit = row.kind === 'ratio' ? ' ×' : ` ${row.unit}`;
  const { median, min, max } = row.comparison;
  const target =
    row.target === null ? '' : `${row.target.bound === 'at least' ? '≥' : '≤'} ${row.target.value}${unit}`;
  return [
    row.case,
    row.measure,
    row.against,
    `${formatFigure(median)}${unit}`,
    `${formatFigure(min)} – ${formatFigure(max)}`,
    `${formatFigure(row.subject)} ${row.unit}`,
    row.baseline === null ? '' : `${formatFigure(row.baseline)} ${row.unit}`,
    target,
    row.met === null ? '' : row.met ? 'met' : 'MISSED',
  ];
}

export const headings = [
  'case',
  'measure',
  'against',
  'figure',
  'min – max',
  'service',
  'baseline',
  'target',
  '',
];

/** Renders the rows as aligned text, followed by their notes. */
export function textTable(rows: readonly Row[]): string {
  const lines = [headings, ...rows.map(cells)];
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  const table = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const notes = rows.flatMap((row) => row.notes.map((note) => `${row.case}, ${row.measure}: ${note}`));
  return [...table, '', ...notes].join('\n');
}
