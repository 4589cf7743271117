-- Up Migration
-- A region on a physical standby must know of a transaction before it knows of any version above those of the transaction:
-- docs/adr/0013. The message assigns a transaction id, and its WAL record shows this id to every standby.

CREATE OR REPLACE FUNCTION assign_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_catalog.pg_logical_emit_message(true, 'iam', ''::text);
  NEW.version := pg_catalog.nextval('public.version_seq');
  NEW.changed_at := pg_catalog.clock_timestamp();
  RETURN NEW;
END
$$;
