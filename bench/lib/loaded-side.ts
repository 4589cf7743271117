import type { Bench } from './bench.ts';
import { cpuSeconds } from './cpu-time.ts';
import type { Generator } from './load/generator.ts';
import type { LoadPlan, LoadResult } from './load/plan.ts';

/** A process under load. */
export interface LoadedProcess {
  port: number;
  pid: number;
}

/** A load's result and what it cost the process that answered. */
export interface LoadedResult extends LoadResult {
  /** Processor time for each answer, in microseconds. */
  cpuMicros: number;
}

/** One side of a comparison: the same load each time, for the run's length unless the plan has its own end. */
export function loadedSide(
  bench: Bench,
  generator: Generator,
  { port, pid }: LoadedProcess,
  plan: Omit<LoadPlan, 'port'>,
): () => Promise<LoadedResult> {
  const ends = plan.count === undefined ? { seconds: plan.seconds ?? bench.options.seconds } : {};
  return async () => {
    const before = await cpuSeconds(pid);
    const result = await generator.run({ ...plan, ...ends, port });
    const used = (await cpuSeconds(pid)) - before;
    return { ...result, cpuMicros: (used * 1_000_000) / result.sent };
  };
}

/** A result in a few words, for progress. */
export function told({ perSecond, latencyMs, statuses, cpuMicros }: LoadedResult): string {
  const odd = Object.keys(statuses).some((status) => status !== '200') ? ` ${JSON.stringify(statuses)}` : '';
  return `${Math.round(perSecond)}/s, p99 ${latencyMs.p99.toFixed(2)} ms, ${cpuMicros.toFixed(1)} µs CPU${odd}`;
}
