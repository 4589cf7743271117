-- Up Migration
-- The order of the changes. Every login of a database can hold any advisory lock, so a stolen read-only login could stop the
-- apply worker with it. No login has a permission on this table, so only its owner can lock it.

CREATE TABLE change_order ();

-- The lock makes the order of seq the order of commits; see 0002_change_feed.sql.
CREATE OR REPLACE FUNCTION record_change(entity text, id text, version bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  assigned bigint;
BEGIN
  LOCK TABLE public.change_order IN EXCLUSIVE MODE;
  INSERT INTO public.changes (entity, id, version) VALUES (entity, id, version) RETURNING seq INTO assigned;
  PERFORM pg_catalog.pg_notify('iam_changes', '');
  IF assigned % 1024 = 0 THEN
    DELETE FROM public.changes WHERE at < pg_catalog.now() - interval '1 day';
  END IF;
END
$$;
