-- Up Migration
-- The functions by which control planes request, claim and publish repairs (docs/adr/0016). They run as the owner: no login has any
-- permission on `repairs`, except that replication reads it.

INSERT INTO repairs (kind, bucket) SELECT 'keys', bucket FROM generate_series(0, 1023) AS bucket;
INSERT INTO repairs (kind, bucket) SELECT 'roles', bucket FROM generate_series(0, 63) AS bucket;

-- Returns the number of buckets that were not requested before. One that was just published needs time to be compared.
CREATE FUNCTION request_repairs(of_kind text, of_buckets smallint[], must_compare boolean DEFAULT false) RETURNS bigint
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  BEGIN ATOMIC
    WITH requested AS (
      UPDATE public.repairs SET requested_at = coalesce(requested_at, clock_timestamp()), forced = forced OR must_compare
      WHERE kind = of_kind AND bucket = ANY (of_buckets) AND CASE
        WHEN must_compare THEN requested_at IS NULL OR NOT forced
        ELSE requested_at IS NULL
          AND coalesce(published_at NOT BETWEEN clock_timestamp() - interval '5 s' AND clock_timestamp(), true) END
      RETURNING 1
    )
    SELECT count(*) FROM requested;
  END;

-- Claims requested buckets, oldest first: at most 32 per second by all processes. A claim that was not published is taken over.
CREATE FUNCTION claim_repairs(at_most integer) RETURNS TABLE (kind text, bucket smallint, claim bigint)
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  BEGIN ATOMIC
    UPDATE public.repairs AS claimed SET claim = claimed.claim + 1, claimed_at = clock_timestamp()
    WHERE (claimed.kind, claimed.bucket) IN (
      SELECT due.kind, due.bucket FROM public.repairs AS due
      WHERE due.requested_at IS NOT NULL AND due.claimed_at NOT BETWEEN clock_timestamp() - interval '5 s' AND clock_timestamp()
      ORDER BY due.requested_at
      LIMIT greatest(0, least(at_most, 32 - (
        SELECT count(*) FROM public.repairs AS recent
        WHERE recent.claimed_at BETWEEN clock_timestamp() - interval '1 s' AND clock_timestamp())))
      FOR UPDATE SKIP LOCKED
    ) RETURNING claimed.kind, claimed.bucket, claimed.claim;
  END;

-- Writes the rows of a claimed bucket; returns their number, or NULL if another process has taken the claim over. The rows are those
-- of one snapshot, as one statement reads them.
CREATE FUNCTION publish_repair(of_kind text, of_bucket smallint, of_claim bigint) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  row_count bigint;
BEGIN
  UPDATE public.repairs AS claimed SET published_at = clock_timestamp(), rows = coalesce(CASE claimed.kind
      WHEN 'keys' THEN (SELECT jsonb_agg(to_jsonb(k)) FROM public.api_keys AS k WHERE k.bucket = of_bucket)
      ELSE (SELECT jsonb_agg(to_jsonb(r)) FROM public.roles AS r WHERE r.bucket = of_bucket)
    END, '[]')
  WHERE kind = of_kind AND bucket = of_bucket AND claim = of_claim
  RETURNING jsonb_array_length(rows) INTO row_count;
  IF FOUND THEN
    -- Regions apply both updates. No session ever sees the rows here.
    UPDATE public.repairs SET requested_at = NULL, forced = false, rows = NULL WHERE kind = of_kind AND bucket = of_bucket;
  END IF;
  RETURN row_count;
END
$$;

REVOKE EXECUTE ON FUNCTION request_repairs(text, smallint[], boolean), claim_repairs(integer),
  publish_repair(text, smallint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION request_repairs(text, smallint[], boolean), claim_repairs(integer),
  publish_repair(text, smallint, bigint) TO iam_control_plane;

ALTER PUBLICATION iam ADD TABLE repairs;
GRANT SELECT ON repairs TO iam_replicator;
