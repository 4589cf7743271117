import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';

const CHECK_INTERVAL_MS = 250;
/** Two comparisons of every part take about 8 s. Repairs take longer. */
const TIMEOUT_MS = 60_000;
/** A bucket that differs again and again is damaged by something that a repair does not reach. */
const MAX_REPAIRS = 5;

/** Repairs the diverged buckets of a region. */
export type RepairBuckets = (report: (line: string) => void) => Promise<void>;

/** The buckets after a comparison. */
export interface Comparison {
  /** Whether every bucket was compared and is equal to the primary's. */
  equal: boolean;
  /** Buckets that were seen to differ, repaired or not. */
  differed: number;
  /** What was not reached, if the buckets are not equal. */
  missing?: string;
}

interface Progress {
  open: number;
  diverged: number;
  uncompared: number;
}

const PROGRESS = `
  SELECT (SELECT count(*)::int FROM compared_buckets WHERE state IN ('unverified', 'suspected')) AS open,
    (SELECT count(*)::int FROM compared_buckets WHERE state = 'diverged') AS diverged,
    (SELECT count(*)::int FROM digests LEFT JOIN compared_parts USING (part)
      WHERE checked_at IS NULL OR checked_at <= $1::timestamptz) AS uncompared`;

/**
 * Waits until every bucket was compared from now on, and repairs those that have diverged.
 * @param repair undefined: pods request the repair
 */
export async function awaitComparison(
  region: pg.ClientBase,
  repair: RepairBuckets | undefined,
  report: (line: string) => void,
): Promise<Comparison> {
  const started = await region.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
  let differed = 0;
  let repairs = 0;
  let reported = '';
  let endsAtMs = Date.now() + TIMEOUT_MS;
  for (;;) {
    const { rows } = await region.query<Progress>(PROGRESS, [started.rows[0]?.now]);
    const { open, diverged, uncompared } = rows[0] as Progress;
    differed = Math.max(differed, diverged);
    const line = `buckets: ${open} not decided, ${diverged} diverged; ${uncompared} parts not compared`;
    if (line !== reported) report(line);
    reported = line;
    const decided = open === 0 && uncompared === 0;
    if (decided && diverged === 0) return { equal: true, differed };
    if (decided && repair !== undefined && repairs < MAX_REPAIRS) {
      repairs += 1;
      await repair(report);
      endsAtMs = Date.now() + TIMEOUT_MS;
      continue;
    }
    if (Date.now() > endsAtMs) {
      return {
        equal: false,
        differed,
        missing: decided
          ? `Buckets with other rows than the primary: ${diverged}. Pods of the region request their repair, and a control plane publishes it: look at the logs of both.`
          : `The comparison did not end. Buckets that are not decided: ${open}; parts that are not compared: ${uncompared}. Look at "iam region status".`,
      };
    }
    await sleep(CHECK_INTERVAL_MS);
  }
}
