-- Up Migration
-- Every login may send notifications, and the server has one queue for all of them. A login that fills it would let each commit that
-- notifies fail, and with it the apply worker. Pods also read without a notification, so it may be left out. Asking for the usage
-- frees pages that all listeners have read; without that, a full queue stays full after the listener that held it has left.

CREATE OR REPLACE FUNCTION record_change(entity text, id text, version bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  assigned bigint;
BEGIN
  LOCK TABLE public.change_order IN EXCLUSIVE MODE;
  INSERT INTO public.changes (entity, id, version) VALUES (entity, id, version) RETURNING seq INTO assigned;
  IF pg_catalog.pg_notification_queue_usage() < 0.5 THEN
    PERFORM pg_catalog.pg_notify('iam_changes', '');
  END IF;
  IF assigned % 1024 = 0 THEN
    DELETE FROM public.changes WHERE at < pg_catalog.now() - interval '1 day';
  END IF;
END
$$;
