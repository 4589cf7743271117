import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Queries } from '../database.ts';
import { DigestPublisher } from '../digests/digest-publisher.ts';
import { RepairPublisher } from './repair-publisher.ts';
import { type BucketKind, requestRepairs } from './repair-queue.ts';

const CHECK_INTERVAL_MS = 500;

export interface RepairRegionOptions {
  timeoutMs: number;
  onProgress: (progress: RepairProgress) => void;
  logger: Logger;
}

/** The state of a region during its repair. */
export interface RepairProgress {
  /** Buckets whose rows differ from the primary. */
  diverged: number;
  /** Buckets that were not compared since the region may have missed changes. */
  unverified: number;
}

/**
 * Repairs the buckets of a region that differ from the primary, and waits until none does. It publishes repairs and digests itself,
 * beside running control planes, so it needs none.
 * @param region connection of the region's owner
 * @param primary connection of the primary's owner or of the control plane, of its own
 * @returns what is left at the end, or after `timeoutMs`
 */
export async function repairRegion(
  region: pg.Client,
  primary: Queries,
  { timeoutMs, onProgress, logger }: RepairRegionOptions,
): Promise<RepairProgress> {
  const endsAt = performance.now() + timeoutMs;
  const publishers = [new RepairPublisher(primary, logger), new DigestPublisher(primary, logger)];
  for (const publisher of publishers) publisher.start();
  try {
    for (;;) {
      const rows = await divergedBuckets(region);
      for (const { kind, buckets } of rows) await requestRepairs(primary, kind, buckets);
      const progress = await progressOf(region);
      onProgress(progress);
      if (progress.diverged + progress.unverified === 0 || performance.now() > endsAt) return progress;
      await sleep(CHECK_INTERVAL_MS);
    }
  } finally {
    await Promise.all(publishers.map((publisher) => publisher.stop()));
  }
}

async function divergedBuckets(region: pg.Client): Promise<{ kind: BucketKind; buckets: number[] }[]> {
  const { rows } = await region.query(
    "SELECT kind, array_agg(bucket::int) AS buckets FROM compared_buckets WHERE state = 'diverged' GROUP BY kind",
  );
  return rows;
}

async function progressOf(region: pg.Client): Promise<RepairProgress> {
  const { rows } = await region.query<RepairProgress>(
    `SELECT count(*) FILTER (WHERE state = 'diverged')::int AS diverged,
       count(*) FILTER (WHERE state = 'unverified')::int AS unverified
     FROM compared_buckets`,
  );
  return rows[0] as RepairProgress;
}
