/** The chapter that says how to repeat revocations that the primary has lost. */
export const REPEAT_LOST_REVOCATIONS = 'docs/failover.md, Repeat lost revocations';

/**
 * An expression that counts the keys of a region whose revocation the primary has lost, and that are not revoked again, expired or gone. A scalar
 * subquery, because each pod evaluates it every few seconds: it reads `api_keys` by its index, and nothing at all while none is lost.
 */
export const LOST_REVOCATIONS = `(
  SELECT count(DISTINCT key_id) FILTER (WHERE (
    SELECT revoked_at IS NULL AND coalesce(expires_at > now(), true) FROM api_keys WHERE id = key_id))::int
  FROM lost_revocations)`;
