/** Returns p50, p99 and the maximum of measurements, by nearest rank. */
export function figures(values: readonly number[]): { p50: number; p99: number; max: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
  return { p50: rank(0.5), p99: rank(0.99), max: rank(1) };
}

/** Prints measured milliseconds in the form of docs/failure-modes.md. */
export function report(what: string, values: readonly number[]): void {
  const { p50, p99, max } = figures(values);
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  console.log(`[figure] ${what}: p50 ${ms(p50)}, p99 ${ms(p99)}, max ${ms(max)} (${values.length})`);
}

/** Number of calls and their latencies, in milliseconds. */
export function latency({ timesMs }: { timesMs: readonly number[] }) {
  const round = (value: number) => Number((value || 0).toFixed(1));
  const { p50, p99, max } = figures(timesMs);
  return { calls: timesMs.length, p50Ms: round(p50), p99Ms: round(p99), maxMs: round(max) };
}
