-- Up Migration
-- Whether the region has all rows of the primary as of the newest heartbeat: the apply worker has applied it after all tables were
-- copied. Stays with the heartbeat, so pods can start while the primary is down.

ALTER TABLE heartbeat ADD COLUMN complete boolean NOT NULL DEFAULT false;

CREATE OR REPLACE FUNCTION stamp_heartbeat() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.received_at := pg_catalog.clock_timestamp();
  -- The row of the initial copy arrives before its table is ready, so it does not count.
  NEW.complete := EXISTS (SELECT FROM pg_catalog.pg_subscription_rel)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_subscription_rel WHERE srsubstate <> 'r');
  RETURN NEW;
END
$$;

-- A region that was subscribed before this migration needs no new heartbeat.
UPDATE heartbeat SET complete = false;
