-- Up Migration
-- As in 0018_epoch.sql, except that an epoch after a loss begins with a counter that no region expects. A primary that was restored
-- counts its heartbeats again. It may reach the counter that a region knows before the region connects, and the next epoch then looked
-- like a promotion without a loss: the region compared nothing first, and accepted what was revoked before the epoch began.

CREATE OR REPLACE FUNCTION beat(known_epoch integer DEFAULT 0, known_counter bigint DEFAULT 0)
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
    beating.counter := beating.counter + 1 + (random() * (1 << 30))::bigint;
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
