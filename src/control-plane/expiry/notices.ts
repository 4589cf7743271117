import type { Queries } from '../database.ts';

/** A notice is due this many days before a key expires. */
const WARN_DAYS_AHEAD = [30, 7, 1] as const;

/** A notice that a key expires soon. Each is issued once. */
export interface ExpiryNotice {
  /** Decimal text; a retry has the same id. */
  id: string;
  key_id: string;
  organization_id: string;
  description: string;
  user_id: string;
  expires_at: Date;
  days_ahead: number;
}

/**
 * Finds due notices and stores them, in one statement. The unique constraint ensures that each notice is issued once across all
 * instances and restarts.
 *
 * Only the nearest threshold counts: a key that expires in 5 days gets the notice for 7 days, not also the one for 30. A key
 * with a shorter TTL than a threshold gets no notice for it, because it would be due at its creation.
 */
export async function claimDueNotices(on: Queries, nowMs: number): Promise<ExpiryNotice[]> {
  return on.query<ExpiryNotice>(
    `WITH due AS (
       SELECT id, organization_id, description, created_by, expires_at, min(days) AS days
       FROM api_keys CROSS JOIN unnest($2::int[]) AS days
       WHERE revoked_at IS NULL AND expires_at > $1 AND expires_at <= $1 + days * interval '1 day'
         AND expires_at - created_at > days * interval '1 day'
       GROUP BY id, organization_id, description, created_by, expires_at
     ), taken AS (
       INSERT INTO expiry_notices (key_id, organization_id, expires_at, days_ahead)
       SELECT id, organization_id, expires_at, days FROM due
       ON CONFLICT (key_id, expires_at, days_ahead) DO NOTHING
       RETURNING id, key_id, organization_id, expires_at, days_ahead
     )
     SELECT taken.id::text, taken.key_id, taken.organization_id, due.description, due.created_by AS user_id,
       taken.expires_at, taken.days_ahead
     FROM taken JOIN due ON due.id = taken.key_id ORDER BY taken.id`,
    [new Date(nowMs), WARN_DAYS_AHEAD],
  );
}

/** With the delays between them, the attempts cover about one day. */
const MAX_ATTEMPTS = 12;
/** An attempt that is due later was scheduled before the clock went back. */
const MAX_DELAY = '4 hours';

/**
 * Claims notices whose delivery is due. It schedules the next attempt before anything is sent, so another instance retries if this
 * one crashes.
 */
export async function claimDeliveries(on: Queries, nowMs: number, limit: number): Promise<ExpiryNotice[]> {
  return on.query<ExpiryNotice>(
    `WITH claimed AS (
       UPDATE expiry_notices SET attempts = attempts + 1,
         next_attempt_at = $1 + least($4::interval, interval '30 seconds' * power(2, attempts))
       WHERE id IN (
         SELECT id FROM expiry_notices
         WHERE delivered_at IS NULL AND attempts < $2 AND (next_attempt_at <= $1 OR next_attempt_at > $1 + $4::interval)
         ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED)
       RETURNING id, key_id, organization_id, expires_at, days_ahead
     )
     SELECT claimed.id::text, claimed.key_id, claimed.organization_id, api_keys.description,
       api_keys.created_by AS user_id, claimed.expires_at, claimed.days_ahead
     FROM claimed JOIN api_keys ON api_keys.id = claimed.key_id ORDER BY claimed.id`,
    [new Date(nowMs), MAX_ATTEMPTS, limit, MAX_DELAY],
  );
}

export async function markDelivered(on: Queries, id: string, nowMs: number): Promise<void> {
  await on.query('UPDATE expiry_notices SET delivered_at = $2 WHERE id = $1', [id, new Date(nowMs)]);
}
