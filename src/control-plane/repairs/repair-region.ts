import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Queries } from '../database.ts';
import { DigestPublisher } from '../digests/digest-publisher.ts';
import { RepairPublisher } from './repair-publisher.ts';
import { type BucketKind, requestRepairs } from './repair-queue.ts';

const CHECK_INTERVAL_MS = 500;
/** As in the migrations. */
const BUCKETS: Readonly<Record<BucketKind, number>> = { keys: 1_024, roles: 64 };

export interface RepairRegionOptions {
  /** Compares every bucket row by row, also those that are not known to differ. */
  all: boolean;
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
  /** With `all`: buckets whose repair has not arrived yet. */
  awaited: number;
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
  { all, timeoutMs, onProgress, logger }: RepairRegionOptions,
): Promise<RepairProgress> {
  const endsAt = performance.now() + timeoutMs;
  const [now] = await primary.query<{ at: string }>('SELECT clock_timestamp()::text AS at');
  const former = await publicationTimes(region);
  const publishers = [new RepairPublisher(primary, logger), new DigestPublisher(primary, logger)];
  for (const publisher of publishers) publisher.start();
  try {
    if (all) {
      for (const [kind, count] of Object.entries(BUCKETS)) {
        await requestRepairs(primary, kind as BucketKind, [...Array(count).keys()], true);
      }
    }
    for (;;) {
      const rows = await divergedBuckets(region);
      for (const { kind, buckets } of rows) await requestRepairs(primary, kind, buckets);
      const progress = await progressOf(region, all ? now?.at : undefined, former);
      onProgress(progress);
      const left = progress.diverged + progress.unverified + progress.awaited;
      if (left === 0 || performance.now() > endsAt) return progress;
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

/** When the repairs of the region were published, as JSON by kind and bucket. */
async function publicationTimes(region: pg.Client): Promise<string> {
  const { rows } = await region.query<{ times: string }>(
    "SELECT coalesce(jsonb_object_agg(kind || ' ' || bucket, published_at), '{}')::text AS times FROM repairs",
  );
  return rows[0]?.times ?? '{}';
}

/**
 * @param since repairs that were published later, by the clock of the primary, have arrived
 * @param former the times at the start. They may be later than `since`: the clock may have gone back
 */
async function progressOf(
  region: pg.Client,
  since: string | undefined,
  former: string,
): Promise<RepairProgress> {
  const { rows } = await region.query<RepairProgress>(
    `SELECT count(*) FILTER (WHERE state = 'diverged')::int AS diverged,
       count(*) FILTER (WHERE state = 'unverified')::int AS unverified,
       (SELECT count(*)::int FROM repairs
        WHERE $1 IS NOT NULL AND (published_at > $1::timestamptz
          AND to_jsonb(published_at) IS DISTINCT FROM $2::jsonb -> (kind || ' ' || bucket)) IS NOT TRUE) AS awaited
     FROM compared_buckets`,
    [since ?? null, former],
  );
  return rows[0] as RepairProgress;
}
