import type { Queries } from '../database.ts';

/** A part that this process may publish until another process claims it. */
export interface ClaimedPart {
  part: number;
  kind: 'keys' | 'roles';
  first_bucket: number;
  claim: string;
}

/** Each part has its slot in this period, so that the work is spread evenly, whatever number of processes shares it. */
const PERIOD_SECONDS = 3.6;
/** 32 parts of keys and 2 of roles. */
const PARTS = 34;
/** After an outage many parts are due. A process that was slow catches up. */
const MAX_CLAIMS = 3;

/**
 * Claims the parts whose slot has begun, oldest first. Regions learn of the claim, so it is a commit before the digest.
 * A claim in the future was made before the clock of the primary went back. It must not stop the digests until that time.
 */
export function claimDueParts(database: Queries): Promise<ClaimedPart[]> {
  return database.query<ClaimedPart>(
    `UPDATE digests SET claim = claim + 1, claimed_at = clock_timestamp()
     WHERE part IN (
       SELECT part FROM digests CROSS JOIN LATERAL (SELECT make_interval(secs => $1::float8 * part / $2)) AS slot (offset_)
       WHERE claimed_at > clock_timestamp() OR (claimed_at < clock_timestamp() - interval '1 s'
         AND claimed_at < date_bin(make_interval(secs => $1), clock_timestamp() - offset_, 'epoch') + offset_)
       ORDER BY claimed_at, part LIMIT $3 FOR UPDATE OF digests SKIP LOCKED
     ) RETURNING part, kind, first_bucket, claim`,
    [PERIOD_SECONDS, PARTS, MAX_CLAIMS],
  );
}

/** Writes the digest of a part. One statement, so the digest is that of one snapshot; it locks no row of the part. */
export async function publishPart(database: Queries, part: ClaimedPart): Promise<void> {
  await database.query(
    `UPDATE digests SET published_at = clock_timestamp(), row_counts = found.row_counts,
       fingerprint_sums = found.fingerprint_sums
     FROM (
       SELECT array_agg(row_count ORDER BY bucket) AS row_counts, array_agg(fingerprint_sum ORDER BY bucket) AS fingerprint_sums
       FROM digest_of($3, $4)
     ) AS found
     WHERE part = $1 AND claim = $2`,
    [part.part, part.claim, part.kind, part.first_bucket],
  );
}
