-- Up Migration
-- Only in regions: applies arriving repairs. docs/adr/0016 has the argument why a repair undoes no change.

-- claimed_after: the newest change when the claim arrived; NULL if a table was still copied then. The others say what the last
-- repair that found a difference has done.
ALTER TABLE repairs
  ADD COLUMN claimed_after bigint,
  ADD COLUMN applied_at timestamptz,
  ADD COLUMN rows_written bigint,
  ADD COLUMN rows_removed bigint;

-- The claim of the digest that was under way when a repair was applied.
ALTER TABLE compared_buckets ADD COLUMN repaired_claim bigint;

CREATE FUNCTION is_subscribed() RETURNS boolean LANGUAGE sql STABLE
  BEGIN ATOMIC
    SELECT EXISTS (SELECT FROM pg_catalog.pg_subscription_rel)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_subscription_rel WHERE srsubstate <> 'r');
  END;

-- Whether `changes` has everything since then. Very many changes would take too long: the bucket is requested again.
CREATE FUNCTION has_changes_since(after bigint) RETURNS boolean LANGUAGE sql STABLE
  BEGIN ATOMIC
    SELECT (after = 0 OR EXISTS (SELECT FROM public.changes WHERE seq = after))
      AND coalesce((SELECT max(seq) FROM public.changes), 0) - after <= 20000
      AND NOT EXISTS (SELECT FROM public.changes WHERE seq > after AND entity = 'everything');
  END;

-- Makes the rows of a bucket equal to those of the repair. Leaves rows alone that replication has changed since the claim: the repair
-- may be older than they are.
CREATE FUNCTION apply_repair(repair public.repairs, OUT written bigint, OUT removed bigint) LANGUAGE plpgsql AS $$
DECLARE
  is_key boolean := repair.kind = 'keys';
  target regclass := CASE WHEN is_key THEN 'public.api_keys' ELSE 'public.roles' END;
  identity text := CASE WHEN is_key THEN 'id' ELSE 'organization_id, project_type, project_id, name' END;
  -- As record_key_change() and record_role_change() write it.
  change_id text := CASE WHEN is_key THEN 'id'
    ELSE 'pg_catalog.json_build_array(organization_id, project_type, project_id)::text' END;
  -- Without those that the primary does not have: its schema may be older.
  columns text;
  excluded text;
  was_diverged boolean := EXISTS (
    SELECT FROM public.compared_buckets WHERE kind = repair.kind AND bucket = repair.bucket AND state = 'diverged');
  has_lowered boolean;
BEGIN
  written := 0;
  removed := 0;
  IF NOT (was_diverged OR repair.forced) OR NOT public.is_subscribed()
    OR NOT coalesce(public.has_changes_since(repair.claimed_after), false)
  THEN
    RETURN;
  END IF;
  -- Without columns that the primary does not have yet.
  SELECT pg_catalog.string_agg(pg_catalog.quote_ident(attname), ', ' ORDER BY attnum),
    pg_catalog.string_agg('EXCLUDED.' || pg_catalog.quote_ident(attname), ', ' ORDER BY attnum)
  INTO columns, excluded FROM pg_catalog.pg_attribute
  WHERE attrelid = target AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
    AND coalesce(repair.rows -> 0 ? attname::text, true);
  EXECUTE pg_catalog.format($statement$
    WITH changed AS MATERIALIZED (
      SELECT DISTINCT id FROM public.changes WHERE seq > $1 AND entity = $2
    ), own AS MATERIALIZED (
      SELECT %2$s, version AS own_version, fingerprint AS own_fingerprint FROM %1$s WHERE bucket = $3
    ), given AS MATERIALIZED (
      SELECT * FROM pg_catalog.jsonb_populate_recordset(NULL::%1$s, $4)
    ), differing AS MATERIALIZED (
      SELECT * FROM given LEFT JOIN own USING (%2$s)
      WHERE own_fingerprint IS DISTINCT FROM fingerprint AND %3$s NOT IN (SELECT id FROM changed)
    ), removed AS (
      DELETE FROM %1$s
      WHERE bucket = $3 AND (%2$s) NOT IN (SELECT %2$s FROM given) AND %3$s NOT IN (SELECT id FROM changed) RETURNING 1
    ), written AS (
      INSERT INTO %1$s (%4$s) SELECT %4$s FROM differing ON CONFLICT (%2$s) DO UPDATE SET (%4$s) = ROW(%5$s) RETURNING 1
    )
    SELECT (SELECT count(*) FROM written), (SELECT count(*) FROM removed),
      EXISTS (SELECT FROM differing WHERE own_version >= version)
  $statement$, target, identity, change_id, columns, excluded)
  INTO written, removed, has_lowered
  USING repair.claimed_after, CASE WHEN is_key THEN 'key' ELSE 'roles' END, repair.bucket, repair.rows;
  IF written + removed = 0 THEN
    RETURN;
  END IF;
  INSERT INTO public.compared_buckets AS old
    (kind, bucket, part, state, row_difference, fingerprint_difference, quiet, repaired_claim)
  SELECT repair.kind, repair.bucket, part, 'diverged', 0, 0, false, claim FROM public.digests
  WHERE kind = repair.kind AND first_bucket = repair.bucket / 32 * 32
  ON CONFLICT (kind, bucket) DO UPDATE SET repaired_claim = EXCLUDED.repaired_claim, state = EXCLUDED.state, quiet = false,
    since = CASE WHEN old.state = EXCLUDED.state THEN old.since ELSE EXCLUDED.since END;
  -- Versions order the copies in caches. They do not if a row got a lower or the same one, or is gone.
  IF has_lowered OR removed > 0 OR NOT was_diverged THEN
    PERFORM public.record_break('repair', NULL, NULL, false);
  END IF;
END
$$;

CREATE FUNCTION receive_repair() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  result record;
BEGIN
  IF NEW.claim <> OLD.claim THEN
    NEW.claimed_after := CASE WHEN public.is_subscribed()
      THEN (SELECT coalesce(pg_catalog.max(seq), 0) FROM public.changes) END;
  ELSIF NEW.rows IS NOT NULL THEN
    result := public.apply_repair(NEW);
    IF result.written + result.removed > 0 THEN
      NEW.applied_at := pg_catalog.clock_timestamp();
      NEW.rows_written := result.written;
      NEW.rows_removed := result.removed;
    END IF;
  END IF;
  NEW.rows := NULL;
  RETURN NEW;
EXCEPTION WHEN OTHERS THEN
  -- An error would stop the apply worker and with it every revocation. The bucket stays diverged.
  RAISE WARNING 'a repair was not applied: %', SQLERRM;
  NEW.rows := NULL;
  RETURN NEW;
END
$$;
-- ALWAYS, because ordinary triggers do not fire for rows that a subscription applies. Initial copies insert rows, which have no
-- place in the order of commits.
CREATE TRIGGER receive_repair BEFORE UPDATE ON repairs FOR EACH ROW EXECUTE FUNCTION receive_repair();
ALTER TABLE repairs ENABLE ALWAYS TRIGGER receive_repair;

-- A new subscription of an emptied region copies all tables again. Its copy of this one must not fail on the rows of the old copy.
CREATE FUNCTION replace_repair() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM public.repairs WHERE kind = NEW.kind AND bucket = NEW.bucket;
  NEW.rows := NULL;
  RETURN NEW;
END
$$;
CREATE TRIGGER replace_repair BEFORE INSERT ON repairs FOR EACH ROW EXECUTE FUNCTION replace_repair();
ALTER TABLE repairs ENABLE ALWAYS TRIGGER replace_repair;

-- A digest that was claimed before a repair may lack the same change as the repair. Only a later one shows that the bucket matches.
CREATE FUNCTION hold_repaired_bucket() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.repaired_claim = (SELECT claim FROM public.digests WHERE part = NEW.part) THEN
    NEW.state := OLD.state;
    NEW.since := OLD.since;
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER hold_repaired_bucket BEFORE UPDATE ON compared_buckets FOR EACH ROW
  WHEN (OLD.state = 'diverged' AND NEW.state = 'matching') EXECUTE FUNCTION hold_repaired_bucket();
ALTER TABLE compared_buckets ENABLE ALWAYS TRIGGER hold_repaired_bucket;

-- Revocations that the primary has lost, and that a repair or a later change of the key has undone here. No call undoes a revocation.
CREATE TABLE lost_revocations (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key_id text NOT NULL,
  organization_id text NOT NULL,
  revoked_at timestamptz NOT NULL,
  noticed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

CREATE FUNCTION record_lost_revocation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  assigned bigint;
BEGIN
  INSERT INTO public.lost_revocations (key_id, organization_id, revoked_at)
  VALUES (OLD.id, OLD.organization_id, OLD.revoked_at) RETURNING seq INTO assigned;
  DELETE FROM public.lost_revocations WHERE seq <= assigned - 10000;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  -- An error would stop the apply worker and with it every revocation.
  RAISE WARNING 'the primary has lost the revocation of key %, and lost_revocations lacks it: %', OLD.id, SQLERRM;
  RETURN NULL;
END
$$;
-- REPLICA, because only replication counts: a row that a person changes here still is revoked on the primary.
CREATE TRIGGER record_lost_revocation AFTER UPDATE ON api_keys FOR EACH ROW
  WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NULL) EXECUTE FUNCTION record_lost_revocation();
ALTER TABLE api_keys ENABLE REPLICA TRIGGER record_lost_revocation;

GRANT SELECT ON lost_revocations TO iam_regional;
