-- Up Migration
-- As in 0019_history.sql, and a break of the history also forgets the claims of digests. A primary that was restored counts its claims
-- again. The region would take one for the claim of the same number that it knows from the lost history, and compare the digest
-- before it, which lacks what the primary wrote before its new epoch and never sends.

CREATE OR REPLACE FUNCTION record_break(reason text, epoch integer, counter bigint, may_be_wrong boolean) RETURNS void
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
  -- Breaks that a heartbeat shows, with or without wrong rows.
  IF counter IS NOT NULL THEN
    UPDATE public.digests SET claim = -1;
  END IF;
  INSERT INTO public.history_breaks (reason, epoch, counter) VALUES (reason, epoch, counter)
  RETURNING generation INTO next_generation;
  PERFORM public.record_change('history', next_generation, 0);
END
$$;
