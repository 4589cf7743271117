-- Up Migration
-- Epochs: a promotion, or a restore or a lost change that shows, starts the next one with higher versions (docs/adr/0015).

-- The server on which the current epoch began.
CREATE TABLE primary_identity (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  system_identifier bigint NOT NULL,
  timeline text NOT NULL,
  -- Versions are epoch * 2^40 + sequence, and JavaScript's numbers are exact below 2^53.
  epoch integer NOT NULL CHECK (epoch BETWEEN 0 AND 8191),
  -- When an epoch began last without a move of the primary.
  claimed_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO primary_identity (system_identifier, timeline, epoch) VALUES (0, '', 0);

-- A promotion starts a new timeline at once; the checkpoint that pg_control_checkpoint() shows follows later.
CREATE FUNCTION current_timeline() RETURNS text LANGUAGE sql STABLE
  RETURN pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8);

-- Writes a heartbeat. The caller passes the newest one that it knows: if the row is older, the primary was restored.
-- A slot that is ahead of the WAL shows the same without such a caller: its region has applied what the primary lacks.
-- Runs as the owner: the login of the control plane cannot write an epoch. It can begin one with its arguments, and the login of the
-- replicator with the position of its slot, so these are bounded: not far ahead, once a minute, and only up to half of all epochs.
-- Promotions have the other half.
-- Postgres sends a region no transaction before the position that it has applied, so an epoch begins with 64 MB of WAL that regions ignore:
-- after a smaller loss they receive its first heartbeat at once.
CREATE FUNCTION beat(known_epoch integer DEFAULT 0, known_counter bigint DEFAULT 0)
  RETURNS TABLE (epoch integer, counter bigint)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  beating public.heartbeat;
  identity public.primary_identity;
  identifier bigint := (SELECT system_identifier FROM pg_control_system());
  newest bigint := (SELECT last_value FROM public.version_seq);
  has_moved boolean;
  knows_newer boolean;
  is_claimable boolean;
  has_lost boolean;
BEGIN
  SELECT * INTO STRICT beating FROM public.heartbeat FOR UPDATE;
  SELECT * INTO STRICT identity FROM public.primary_identity;
  has_moved := (identity.system_identifier, identity.timeline) <> (identifier, public.current_timeline())
    OR newest < beating.sequence;
  knows_newer := (beating.epoch, beating.counter) < (known_epoch, known_counter);
  -- A claim in the future was made before the clock went back.
  is_claimable := identity.claimed_at NOT BETWEEN clock_timestamp() - interval '1 min' AND clock_timestamp();
  has_lost := is_claimable AND beating.epoch < 4095 AND EXISTS (
    SELECT FROM pg_replication_slots
    WHERE database = current_database()
      AND pg_wal_lsn_diff(confirmed_flush_lsn, pg_current_wal_lsn()) BETWEEN 1 AND 64 * 1024 * 1024);
  IF known_epoch > beating.epoch + 16 OR (knows_newer AND NOT has_moved AND greatest(beating.epoch, known_epoch) >= 4095) THEN
    RAISE EXCEPTION 'the caller knows epoch %, and the primary is in epoch %', known_epoch, beating.epoch
      USING ERRCODE = 'object_not_in_prerequisite_state',
        HINT = 'If the primary was restored: docs/failover.md, "Begin an epoch".';
  END IF;
  IF knows_newer AND NOT has_moved AND NOT is_claimable THEN
    RAISE EXCEPTION 'a caller knew a newer heartbeat than the primary less than a minute ago, and an epoch began'
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Try again in a minute.';
  END IF;
  IF NOT has_moved AND (knows_newer OR has_lost) THEN
    UPDATE public.primary_identity SET claimed_at = clock_timestamp();
  END IF;
  IF has_moved OR knows_newer OR has_lost THEN
    beating.epoch := greatest(beating.epoch, known_epoch) + 1;
    beating.nonce := gen_random_uuid()::text;
    IF identity.system_identifier <> 0 THEN
      PERFORM pg_logical_emit_message(false, 'iam', repeat(' ', 1024 * 1024)) FROM generate_series(1, 64);
    END IF;
    UPDATE public.primary_identity
    SET system_identifier = identifier, timeline = public.current_timeline(), epoch = beating.epoch;
  END IF;
  UPDATE public.heartbeat SET beat_at = clock_timestamp(), epoch = beating.epoch, nonce = beating.nonce,
    counter = beating.counter + 1, sequence = newest;
  RETURN QUERY SELECT beating.epoch, beating.counter + 1;
END
$$;

-- Between a promotion and the first heartbeat no version can be assigned: the epoch is still that of the former primary.
-- The message assigns a transaction id before the version; see 0016_version_after_xid.sql.
CREATE OR REPLACE FUNCTION assign_version() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  current_epoch bigint;
BEGIN
  SELECT epoch INTO current_epoch FROM public.primary_identity WHERE timeline = public.current_timeline();
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the primary is another server than before; it accepts changes after the next heartbeat of a control plane'
      USING ERRCODE = 'cannot_connect_now';
  END IF;
  PERFORM pg_logical_emit_message(true, 'iam', ''::text);
  NEW.version := (current_epoch << 40) + nextval('public.version_seq');
  NEW.changed_at := clock_timestamp();
  RETURN NEW;
END
$$;

-- Regions compute with it.
ALTER TABLE heartbeat ADD CONSTRAINT finite_beat_at CHECK (isfinite(beat_at));

REVOKE EXECUTE ON FUNCTION beat(integer, bigint), assign_version() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION beat(integer, bigint) TO iam_control_plane;
REVOKE USAGE ON SEQUENCE version_seq FROM iam_control_plane;
-- A control plane of the release before this one writes only the time, which is no heartbeat to a region's history.
REVOKE UPDATE ON heartbeat FROM iam_control_plane;
GRANT UPDATE (beat_at) ON heartbeat TO iam_control_plane;

SELECT beat();
