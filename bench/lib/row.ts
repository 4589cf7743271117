import { type Comparison, compare, difference, median, type Pair, ratio } from './statistics.ts';

/** What a figure has to be at least, or at most. */
export interface Target {
  bound: 'at least' | 'at most';
  value: number;
}

/** One line of the table. */
export interface Row {
  case: string;
  /** What is compared, in words. */
  measure: string;
  against: string;
  /** Unit of `subject` and `baseline`. */
  unit: string;
  /** `ratio` has no unit; `difference` and `absolute` have that of the row. */
  kind: 'ratio' | 'difference' | 'absolute';
  comparison: Comparison;
  /** Medians over the pairs. */
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

/** A row whose figure is the median of the pairs' ratios (or differences). */
export function pairedRow(
  description: Description,
  pairs: readonly Pair[],
  kind: 'ratio' | 'difference' = 'ratio',
): Row {
  const comparison = compare(pairs, kind === 'ratio' ? ratio : difference);
  return {
    ...finish(description, kind, comparison),
    subject: median(pairs.map((pair) => pair.subject)),
    baseline: median(pairs.map((pair) => pair.baseline)),
    pairs,
  };
}

/** A row whose figure stands for itself. */
export function absoluteRow(description: Description, values: readonly number[]): Row {
  const comparison = { median: median(values), min: Math.min(...values), max: Math.max(...values) };
  return {
    ...finish(description, 'absolute', comparison),
    subject: comparison.median,
    baseline: null,
    pairs: [],
  };
}

/** Whether a figure meets its target; a figure that is no number does not. */
export function meets(value: number, target: Target): boolean {
  return target.bound === 'at least' ? value >= target.value : value <= target.value;
}

function finish(description: Description, kind: Row['kind'], comparison: Comparison) {
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
