-- Up Migration
-- Only in regions: the comparison of arriving digests with the rows of the region. docs/adr/0014 has the argument why a
-- bucket that is reported as diverged has diverged.

-- claimed_after: the newest change when the claim of the part arrived.
CREATE TABLE compared_parts (
  part smallint PRIMARY KEY,
  claimed_after bigint,
  checked_at timestamptz
);

-- The differences are region minus primary, of the last comparison. A bucket that matches is written only once, so the time of
-- the last comparison is in compared_parts.
CREATE TABLE compared_buckets (
  kind text NOT NULL,
  bucket smallint NOT NULL,
  part smallint NOT NULL,
  state text NOT NULL CHECK (state IN ('matching', 'suspected', 'diverged')),
  since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  row_difference bigint NOT NULL,
  fingerprint_difference numeric NOT NULL,
  quiet boolean NOT NULL,
  PRIMARY KEY (kind, bucket)
);

-- Whether the region has applied no change of the bucket since then. After very many changes it does not look.
CREATE FUNCTION is_quiet(of_kind text, of_bucket smallint, after bigint) RETURNS boolean LANGUAGE sql STABLE
  BEGIN ATOMIC
    SELECT coalesce((SELECT max(seq) FROM public.changes), 0) - after <= 2000 AND NOT EXISTS (
      SELECT FROM public.changes WHERE seq > after AND CASE entity
        WHEN 'key' THEN of_kind = 'keys' AND public.key_bucket(id) = of_bucket
        WHEN 'roles' THEN of_kind = 'roles'
          AND public.role_bucket(id::json ->> 0, id::json ->> 1, id::json ->> 2) = of_bucket
        ELSE false END);
  END;

-- While a subscription copies a table, its rows do not follow the order of commits.
CREATE FUNCTION is_copied(of_kind text) RETURNS boolean LANGUAGE sql STABLE
  BEGIN ATOMIC
    SELECT NOT EXISTS (
      SELECT FROM pg_catalog.pg_subscription_rel WHERE srsubstate <> 'r' AND srrelid IN (
        'public.digests'::regclass, CASE of_kind WHEN 'keys' THEN 'public.api_keys'::regclass ELSE 'public.roles'::regclass END));
  END;

CREATE FUNCTION compare_digest(digest public.digests) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  found record;
  is_diverged boolean;
  has_changed boolean := false;
  next_state text;
BEGIN
  FOR found IN
    SELECT own.bucket, old.state, old.quiet AS was_quiet, difference.*,
      (difference.in_rows, difference.in_fingerprints) = (old.row_difference, old.fingerprint_difference) AS is_same,
      (difference.in_rows, difference.in_fingerprints) = (0, 0) AS is_equal,
      coalesce(public.is_quiet(digest.kind, own.bucket, compared.claimed_after), false) AS quiet
    FROM public.digest_of(digest.kind, digest.first_bucket) AS own
    CROSS JOIN LATERAL (SELECT own.bucket - digest.first_bucket + 1) AS place (i)
    CROSS JOIN LATERAL (SELECT own.row_count - digest.row_counts[i], own.fingerprint_sum - digest.fingerprint_sums[i])
      AS difference (in_rows, in_fingerprints)
    LEFT JOIN public.compared_buckets AS old ON old.kind = digest.kind AND old.bucket = own.bucket
    LEFT JOIN public.compared_parts AS compared ON compared.part = digest.part
    WHERE old.state IS DISTINCT FROM 'matching' OR (difference.in_rows, difference.in_fingerprints) <> (0, 0)
  LOOP
    next_state := CASE
      WHEN found.is_equal THEN 'matching'
      WHEN found.state = 'diverged' THEN 'diverged'
      WHEN found.state = 'suspected' AND (found.is_same OR (found.quiet AND found.was_quiet)) THEN 'diverged'
      ELSE 'suspected'
    END;
    INSERT INTO public.compared_buckets AS old
      (kind, bucket, part, state, row_difference, fingerprint_difference, quiet)
    VALUES (digest.kind, found.bucket, digest.part, next_state, found.in_rows, found.in_fingerprints, found.quiet)
    ON CONFLICT (kind, bucket) DO UPDATE SET
      since = CASE WHEN old.state = EXCLUDED.state THEN old.since ELSE EXCLUDED.since END,
      state = EXCLUDED.state, row_difference = EXCLUDED.row_difference,
      fingerprint_difference = EXCLUDED.fingerprint_difference, quiet = EXCLUDED.quiet;
    has_changed := has_changed OR (next_state = 'diverged') <> (coalesce(found.state, '') = 'diverged');
  END LOOP;
  UPDATE public.compared_parts SET checked_at = pg_catalog.clock_timestamp() WHERE part = digest.part;
  IF has_changed THEN
    PERFORM public.record_change('buckets', digest.part::text, 0);
  END IF;
END
$$;

CREATE FUNCTION receive_digest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.published_at IS DISTINCT FROM OLD.published_at AND public.is_copied(NEW.kind) THEN
    PERFORM public.compare_digest(NEW);
  END IF;
  IF NEW.claim <> OLD.claim THEN
    INSERT INTO public.compared_parts (part, claimed_after)
    VALUES (NEW.part, (SELECT coalesce(pg_catalog.max(seq), 0) FROM public.changes))
    ON CONFLICT (part) DO UPDATE SET claimed_after = EXCLUDED.claimed_after;
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  -- An error would stop the apply worker and with it every revocation. The age of checked_at shows the failure.
  RAISE WARNING 'a digest was not compared: %', SQLERRM;
  RETURN NULL;
END
$$;
-- ALWAYS, because ordinary triggers do not fire for rows that a subscription applies. Initial copies insert rows, which have no
-- place in the order of commits.
CREATE TRIGGER receive_digest AFTER UPDATE ON digests FOR EACH ROW EXECUTE FUNCTION receive_digest();
ALTER TABLE digests ENABLE ALWAYS TRIGGER receive_digest;

-- A new subscription of an emptied region copies all tables again. Its copy of this one must not fail on the rows of the old copy.
CREATE FUNCTION replace_digest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM public.digests WHERE part = NEW.part;
  RETURN NEW;
END
$$;
CREATE TRIGGER replace_digest BEFORE INSERT ON digests FOR EACH ROW EXECUTE FUNCTION replace_digest();
ALTER TABLE digests ENABLE ALWAYS TRIGGER replace_digest;

GRANT SELECT ON compared_parts, compared_buckets TO iam_regional;
