-- Up Migration
-- Only in regions: breaks of the history (docs/adr/0015). Whatever pods cache belongs to one generation of the region.

-- The newest row names the current generation. The first one is the start of this database.
CREATE TABLE history_breaks (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  generation text NOT NULL DEFAULT pg_catalog.gen_random_uuid()::text,
  at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  reason text NOT NULL,
  epoch integer,
  counter bigint
);
INSERT INTO history_breaks (reason) VALUES ('start');

-- The newest heartbeat that has arrived. It outlives the row of heartbeat when the tables are emptied and copied again.
CREATE TABLE known_heartbeat (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  epoch integer NOT NULL,
  nonce text NOT NULL,
  counter bigint NOT NULL,
  -- The subscription that brought it. Another one may have begun without a copy of the tables.
  subscription oid
);

-- 'unverified': the region may have missed changes, and the bucket has not been equal to the primary's since.
ALTER TABLE compared_buckets DROP CONSTRAINT compared_buckets_state_check;
ALTER TABLE compared_buckets ADD CONSTRAINT compared_buckets_state_check
  CHECK (state IN ('matching', 'suspected', 'diverged', 'unverified'));

-- Starts a generation. If rows may be wrong, no bucket counts until it was compared.
CREATE FUNCTION record_break(reason text, epoch integer, counter bigint, may_be_wrong boolean) RETURNS void
  LANGUAGE plpgsql AS $$
DECLARE
  next_generation text;
BEGIN
  IF may_be_wrong THEN
    INSERT INTO public.compared_buckets AS old
      (kind, bucket, part, state, row_difference, fingerprint_difference, quiet)
    SELECT kind, bucket, first_part + bucket / 32, 'unverified', 0, 0, false
    FROM (VALUES ('keys', 0, 1023), ('roles', 32, 63)) AS of_kind (kind, first_part, last_bucket)
    CROSS JOIN LATERAL pg_catalog.generate_series(0, last_bucket) AS bucket
    ON CONFLICT (kind, bucket) DO UPDATE
      SET state = EXCLUDED.state, since = EXCLUDED.since, quiet = false
      WHERE old.state <> 'diverged';
  END IF;
  INSERT INTO public.history_breaks (reason, epoch, counter) VALUES (reason, epoch, counter)
  RETURNING generation INTO next_generation;
  PERFORM public.record_change('history', next_generation, 0);
END
$$;

CREATE OR REPLACE FUNCTION stamp_heartbeat() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  known public.known_heartbeat;
  brought_by oid := (SELECT subid FROM pg_catalog.pg_stat_subscription WHERE pid = pg_catalog.pg_backend_pid());
  reason text;
BEGIN
  NEW.received_at := pg_catalog.clock_timestamp();
  -- The row of the initial copy arrives before its table is ready, so it does not count.
  NEW.complete := EXISTS (SELECT FROM pg_catalog.pg_subscription_rel)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_subscription_rel WHERE srsubstate <> 'r');
  -- The primary has an older schema.
  IF NEW.nonce = '' THEN
    RETURN NEW;
  END IF;
  SELECT * INTO known FROM public.known_heartbeat;
  IF FOUND THEN
    reason := CASE
      WHEN NEW.epoch < known.epoch THEN 'epoch_backwards'
      WHEN NEW.epoch = known.epoch AND NEW.nonce <> known.nonce THEN 'other_primary'
      WHEN NEW.counter < known.counter OR (NEW.counter = known.counter AND NEW.nonce <> known.nonce) THEN 'counter_backwards'
      WHEN NEW.counter > known.counter + 1 THEN 'gap'
      WHEN brought_by <> known.subscription THEN 'other_subscription'
      WHEN NEW.nonce <> known.nonce THEN 'new_epoch'
    END;
  END IF;
  IF reason IS NOT NULL THEN
    -- A new epoch whose counter continues was promoted without a loss.
    PERFORM public.record_break(reason, NEW.epoch, NEW.counter, reason <> 'new_epoch');
  END IF;
  INSERT INTO public.known_heartbeat AS former (epoch, nonce, counter, subscription)
  VALUES (NEW.epoch, NEW.nonce, NEW.counter, brought_by)
  ON CONFLICT (id) DO UPDATE SET epoch = EXCLUDED.epoch, nonce = EXCLUDED.nonce, counter = EXCLUDED.counter,
    subscription = coalesce(EXCLUDED.subscription, former.subscription);
  RETURN NEW;
END
$$;

-- As in 0015_digests.sql, with unverified buckets. They count after one digest that is equal, like diverged ones.
CREATE OR REPLACE FUNCTION compare_digest(digest public.digests) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  found record;
  has_freed boolean := false;
  has_diverged boolean := false;
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
      WHEN found.state IN ('suspected', 'unverified')
        AND (found.is_same OR (found.quiet AND found.was_quiet)) THEN 'diverged'
      WHEN found.state = 'unverified' THEN 'unverified'
      ELSE 'suspected'
    END;
    INSERT INTO public.compared_buckets AS old
      (kind, bucket, part, state, row_difference, fingerprint_difference, quiet)
    VALUES (digest.kind, found.bucket, digest.part, next_state, found.in_rows, found.in_fingerprints, found.quiet)
    ON CONFLICT (kind, bucket) DO UPDATE SET
      since = CASE WHEN old.state = EXCLUDED.state THEN old.since ELSE EXCLUDED.since END,
      state = EXCLUDED.state, row_difference = EXCLUDED.row_difference,
      fingerprint_difference = EXCLUDED.fingerprint_difference, quiet = EXCLUDED.quiet;
    has_freed := has_freed OR (next_state = 'matching' AND found.state IN ('diverged', 'unverified'));
    has_diverged := has_diverged OR (next_state = 'diverged' AND found.state IS DISTINCT FROM 'diverged');
  END LOOP;
  UPDATE public.compared_parts SET checked_at = pg_catalog.clock_timestamp() WHERE part = digest.part;
  IF has_diverged THEN
    -- Copies of the wrong rows may be in caches, some with the versions of the right ones.
    PERFORM public.record_break('difference', NULL, NULL, false);
  ELSIF has_freed THEN
    PERFORM public.record_change('buckets', digest.part::text, 0);
  END IF;
END
$$;

-- As in 0015_digests.sql, except for the first update after a gap: a claim also carries the digest before it, which the region may
-- not have seen. It says nothing about the rows at this place of the order.
CREATE OR REPLACE FUNCTION receive_digest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.claim = OLD.claim THEN
    IF NEW.published_at IS DISTINCT FROM OLD.published_at AND public.is_copied(NEW.kind) THEN
      PERFORM public.compare_digest(NEW);
    END IF;
  ELSE
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

GRANT SELECT ON history_breaks, known_heartbeat TO iam_regional;
