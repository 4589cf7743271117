import { type Comparison, compare, difference, median, type Pair, ratio } from './statistics.ts';

/** Lower or upper bound of a figure. */
export interface Target {
  bound: 'at least' | 'at most';
  value: number;
}

/** One row of the table. */
export interface Row {
  case: string;
  /** Description of the measured quantity. */
  measure: string;
  against: string;
  /** Unit of `subject` and `baseline`. */
  unit: string;
  /** A `ratio` has no unit; `difference` and `absolute` have the unit of the row. */
  kind: 'ratio' | 'difference' | 'absolute';
  comparison: Comparison;
  /** Median over the pairs. */
  subject: number;
  baseline: number | null;
  pairs: readonly Pair[];
  target: Target | null;
  met: boolean | null;
  notes: readonly string[];
}

type Description = Pick<Row, 'case' | 'measure' | 'against' | 'unit'> & {
  target?: Target;
  notes?: readonly string[];
};

/** Builds a row whose figure is the median of the ratios (or differences) of the pairs. */
export function pairedRow(
  description: Description,
  pairs: readonly Pair[],
  kind: 'ratio' | 'difference' = 'ratio',
): Row {
  const comparison = compare(pairs, kind === 'ratio' ? ratio : difference);
  return {
    ...describeFigure(description, kind, comparison),
    subject: median(pairs.map((pair) => pair.subject)),
    baseline: median(pairs.map((pair) => pair.baseline)),
    pairs,
  };
}

/** Builds a row without a baseline. */
export function absoluteRow(description: Description, values: readonly number[]): Row {
  const comparison = { median: median(values), min: Math.min(...values), max: Math.max(...values) };
  return {
    ...describeFigure(description, 'absolute', comparison),
    subject: comparison.median,
    baseline: null,
    pairs: [],
  };
}

/** Whether a figure meets its target. NaN does not. */
export function meets(value: number, target: Target): boolean {
  return target.bound === 'at least' ? value >= target.value : value <= target.value;
}

function describeFigure(description: Description, kind: Row['kind'], comparison: Comparison) {
  const { target, notes } = description;
  return {
    case: description.case,
    measure: description.measure,
    against: description.against,
    unit: description.unit,
    kind,
    comparison,
    target: target ?? null,
    met: target === undefined ? null : meets(comparison.median, target),
    notes: notes ?? [],
  };
}
