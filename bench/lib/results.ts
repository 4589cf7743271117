import { readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { BenchOptions } from './bench.ts';
import type { Row } from './row.ts';

/** The machine of a run. */
interface Machine {
  processors: number;
  model: string;
  memoryGiB: number;
  node: string;
  pinned: boolean;
}

/** The last run of one case. */
export interface CaseResult {
  takenAt: string;
  /** Load average of the machine before the case: load of other processes. */
  loadBefore: number;
  machine: Machine;
  pairs: number;
  seconds: number;
  rows: Row[];
}

/** Content of bench/results.json: the last run of each case. */
export type Results = Record<string, CaseResult>;

const path = fileURLToPath(new URL('../results.json', import.meta.url));

export async function readResults(): Promise<Results> {
  const text = await readFile(path, 'utf8').catch(() => '{}');
  return JSON.parse(text) as Results;
}

/** Replaces the results of one case and keeps the others. */
export async function storeResult(
  name: string,
  rows: Row[],
  options: BenchOptions,
  start: { at: Date; load: number },
): Promise<void> {
  const results = await readResults();
  results[name] = {
    takenAt: start.at.toISOString(),
    loadBefore: start.load,
    machine: machine(options),
    pairs: options.pairs,
    seconds: options.seconds,
    rows,
  };
  await writeFile(path, `${JSON.stringify(results, null, 2)}\n`);
}

function machine({ pinning }: BenchOptions): Machine {
  return {
    processors: cpus().length,
    model: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    pinned: pinning !== undefined,
  };
}
