import type { Bench } from './bench.ts';
import { cpuSeconds } from './cpu-time.ts';
import type { Generator } from './load/generator.ts';
import type { LoadPlan, LoadResult } from './load/plan.ts';

/** A process under load. */
export interface LoadedProcess {
  port: number;
  pid: number;
}

/** The result of a load and the processor time of the loaded process. */
export interface LoadedResult extends LoadResult {
  /** Processor time per request, in microseconds. */
  cpuMicros: number;
}

/**
 * Returns one side of a comparison, which applies the same load in each measurement. A measurement lasts as long as
 * `--seconds`, unless the plan has its own length.
 */
export function createLoadedSide(
  bench: Bench,
  generator: Generator,
  { port, pid }: LoadedProcess,
  plan: Omit<LoadPlan, 'port'>,
): () => Promise<LoadedResult> {
  const length = plan.count === undefined ? { seconds: plan.seconds ?? bench.options.seconds } : {};
  return async () => {
    const before = await cpuSeconds(pid);
    const result = await generator.run({ ...plan, ...length, port });
    const used = (await cpuSeconds(pid)) - before;
    return { ...result, cpuMicros: (used * 1_000_000) / result.sent };
  };
}

/** Formats a result for the progress messages. */
export function summarize({ perSecond, latencyMs, statuses, cpuMicros }: LoadedResult): string {
  const unexpected = Object.keys(statuses).some((status) => status !== '200')
    ? ` ${JSON.stringify(statuses)}`
    : '';
  return `${Math.round(perSecond)}/s, p99 ${latencyMs.p99.toFixed(2)} ms, ${cpuMicros.toFixed(1)} µs CPU${unexpected}`;
}
