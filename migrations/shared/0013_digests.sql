-- Up Migration
-- Digests of the rows of api_keys and roles, by which a region finds any difference from the primary (docs/adr/0014).
-- Adding the columns rewrites both tables under an exclusive lock.

-- md5 gives the same result in every version of Postgres and on every processor; the hash functions of indexes do not promise that.
CREATE FUNCTION hash64(value text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN ('x' || left(md5(value), 16))::bit(64)::bigint;

-- The text of a timestamp depends on settings of the session, its seconds since 1970 do not.
CREATE FUNCTION epoch_text(at timestamptz) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN coalesce(extract(epoch FROM at AT TIME ZONE 'UTC')::text, '-');

-- 1,024 buckets of keys.
CREATE FUNCTION key_bucket(id text) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (public.hash64(id) & 1023)::smallint;

-- 64 buckets of roles. All roles of a role scope are in one bucket.
CREATE FUNCTION role_bucket(organization_id text, project_type text, project_id text) RETURNS smallint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (public.hash64(quote_nullable(organization_id) || quote_nullable(project_type) || quote_nullable(project_id)) & 63)::smallint;

-- Each side computes the columns itself: replication does not copy generated columns. So a row that was changed in a region
-- alone changes its fingerprint too. Quoted values cannot run into each other.
ALTER TABLE api_keys
  ADD COLUMN bucket smallint NOT NULL GENERATED ALWAYS AS (public.key_bucket(id)) STORED,
  ADD COLUMN fingerprint bigint NOT NULL GENERATED ALWAYS AS (public.hash64(
    quote_nullable(id) || version::text || quote_nullable(secret_hash) || quote_nullable(previous_secret_hash)
    || public.epoch_text(previous_secret_expires_at) || ',' || public.epoch_text(expires_at) || ','
    || public.epoch_text(revoked_at) || quote_nullable(organization_id) || quote_nullable(role_assignments::text)
    || internal::text
  )) STORED;
CREATE INDEX api_keys_digest ON api_keys (bucket) INCLUDE (fingerprint);

ALTER TABLE roles
  ADD COLUMN bucket smallint NOT NULL
    GENERATED ALWAYS AS (public.role_bucket(organization_id, project_type, project_id)) STORED,
  ADD COLUMN fingerprint bigint NOT NULL GENERATED ALWAYS AS (public.hash64(
    quote_nullable(organization_id) || quote_nullable(project_type) || quote_nullable(project_id) || quote_nullable(name)
    || version::text || quote_nullable(descriptor::text) || public.epoch_text(deleted_at)
  )) STORED;
CREATE INDEX roles_digest ON roles (bucket) INCLUDE (fingerprint);

-- An index-only scan reads the table for rows of pages that VACUUM has not visited since their last change.
ALTER TABLE api_keys SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);

-- A part is 32 buckets. A control plane claims a part, later publishes its digest, then another part is due.
CREATE TABLE digests (
  part smallint PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('keys', 'roles')),
  first_bucket smallint NOT NULL,
  claim bigint NOT NULL DEFAULT 0,
  claimed_at timestamptz NOT NULL DEFAULT '-infinity',
  published_at timestamptz,
  row_counts bigint[],
  fingerprint_sums numeric[]
);

-- Count and sum of each bucket of a part. The planner does not know how fresh the visibility map is; the scan of the index is
-- always the cheapest, as other scans read the whole table.
CREATE FUNCTION digest_of(of_kind text, first_bucket smallint)
  RETURNS TABLE (bucket smallint, row_count bigint, fingerprint_sum numeric)
  LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
  IF of_kind = 'keys' THEN
    RETURN QUERY
      SELECT b::smallint, coalesce(n.row_count, 0), coalesce(n.fingerprint_sum, 0)
      FROM pg_catalog.generate_series(first_bucket, first_bucket + 31) AS b LEFT JOIN (
        SELECT k.bucket, count(*) AS row_count, sum(k.fingerprint) AS fingerprint_sum FROM public.api_keys AS k
        WHERE k.bucket BETWEEN first_bucket AND (first_bucket + 31)::smallint GROUP BY k.bucket
      ) AS n ON n.bucket = b ORDER BY b;
  ELSE
    RETURN QUERY
      SELECT b::smallint, coalesce(n.row_count, 0), coalesce(n.fingerprint_sum, 0)
      FROM pg_catalog.generate_series(first_bucket, first_bucket + 31) AS b LEFT JOIN (
        SELECT r.bucket, count(*) AS row_count, sum(r.fingerprint) AS fingerprint_sum FROM public.roles AS r
        WHERE r.bucket BETWEEN first_bucket AND (first_bucket + 31)::smallint GROUP BY r.bucket
      ) AS n ON n.bucket = b ORDER BY b;
  END IF;
END
$$;
