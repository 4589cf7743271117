import type { Queries } from '../database.ts';

export type BucketKind = 'keys' | 'roles';

/** A bucket whose repair this process may publish until another process claims it. */
export interface ClaimedRepair {
  kind: BucketKind;
  bucket: number;
  /** int8, as a text. */
  claim: string;
}

/**
 * Requests repairs. A bucket whose repair was published within the last seconds is not requested again: it is compared first.
 * @param forced whether regions also look for differences in buckets that are not known to differ
 * @returns the number of buckets that were not requested before
 */
export async function requestRepairs(
  database: Queries,
  kind: BucketKind,
  buckets: readonly number[],
  forced = false,
): Promise<number> {
  const [row] = await database.query<{ requested: number }>(
    'SELECT request_repairs($1, $2, $3)::int AS requested',
    [kind, buckets, forced],
  );
  return row?.requested ?? 0;
}

/** Claims requested buckets, oldest first. Regions learn of the claim, so it is a commit before the repair. */
export function claimRepairs(database: Queries, atMost: number): Promise<ClaimedRepair[]> {
  return database.query<ClaimedRepair>('SELECT kind, bucket, claim FROM claim_repairs($1)', [atMost]);
}

/** Publishes the rows of a bucket. @returns their number; `undefined` if another process has taken the claim over */
export async function publishRepair(
  database: Queries,
  { kind, bucket, claim }: ClaimedRepair,
): Promise<number | undefined> {
  const [row] = await database.query<{ rows: number | null }>(
    'SELECT publish_repair($1, $2, $3)::int AS rows',
    [kind, bucket, claim],
  );
  return row?.rows ?? undefined;
}
