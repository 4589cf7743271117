-- Up Migration
-- Only in regions: the feed of the changes that replication applies, and the arrival time of heartbeats.

CREATE TABLE changes (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  entity text NOT NULL,
  id text NOT NULL,
  version bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX changes_at ON changes (at);

-- The lock makes the order of seq the order of commits, even with several writers (initial table copies run beside the
-- apply worker). A reader that has seen seq N has therefore seen every change up to N.
-- NOTIFY carries no payload: it wakes the readers, which read the table. Postgres merges equal notifications of a
-- transaction. Names are qualified because replication workers run with an empty search_path.
CREATE FUNCTION record_change(entity text, id text, version bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  assigned bigint;
BEGIN
  PERFORM pg_catalog.pg_advisory_xact_lock(7306401, 1);
  INSERT INTO public.changes (entity, id, version) VALUES (entity, id, version) RETURNING seq INTO assigned;
  PERFORM pg_catalog.pg_notify('iam_changes', '');
  IF assigned % 1024 = 0 THEN
    DELETE FROM public.changes WHERE at < pg_catalog.now() - interval '1 day';
  END IF;
END
$$;

CREATE FUNCTION record_key_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    PERFORM public.record_change('key', OLD.id, OLD.version + 1);
  ELSE
    PERFORM public.record_change('key', NEW.id, NEW.version);
  END IF;
  RETURN NULL;
END
$$;

-- The triple by which roles are cached, (organization, project type, project), is the id of the change.
CREATE FUNCTION record_role_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    PERFORM public.record_change('roles',
      pg_catalog.json_build_array(OLD.organization_id, OLD.project_type, OLD.project_id)::text, OLD.version + 1);
  ELSE
    PERFORM public.record_change('roles',
      pg_catalog.json_build_array(NEW.organization_id, NEW.project_type, NEW.project_id)::text, NEW.version);
  END IF;
  RETURN NULL;
END
$$;

CREATE FUNCTION record_truncation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM public.record_change('everything', TG_TABLE_NAME, 0);
  RETURN NULL;
END
$$;

-- ALWAYS, because ordinary triggers do not fire for rows that a subscription applies.
CREATE TRIGGER record_change AFTER INSERT OR UPDATE OR DELETE ON api_keys
  FOR EACH ROW EXECUTE FUNCTION record_key_change();
ALTER TABLE api_keys ENABLE ALWAYS TRIGGER record_change;
CREATE TRIGGER record_truncation AFTER TRUNCATE ON api_keys
  FOR EACH STATEMENT EXECUTE FUNCTION record_truncation();
ALTER TABLE api_keys ENABLE ALWAYS TRIGGER record_truncation;

CREATE TRIGGER record_change AFTER INSERT OR UPDATE OR DELETE ON roles
  FOR EACH ROW EXECUTE FUNCTION record_role_change();
ALTER TABLE roles ENABLE ALWAYS TRIGGER record_change;
CREATE TRIGGER record_truncation AFTER TRUNCATE ON roles
  FOR EACH STATEMENT EXECUTE FUNCTION record_truncation();
ALTER TABLE roles ENABLE ALWAYS TRIGGER record_truncation;

-- The trigger sets the arrival time when replication applies the row, so the lag does not depend on when it is read.
ALTER TABLE heartbeat ADD COLUMN received_at timestamptz;
CREATE FUNCTION stamp_heartbeat() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.received_at := pg_catalog.clock_timestamp();
  RETURN NEW;
END
$$;
CREATE TRIGGER stamp_heartbeat BEFORE INSERT OR UPDATE ON heartbeat
  FOR EACH ROW EXECUTE FUNCTION stamp_heartbeat();
ALTER TABLE heartbeat ENABLE ALWAYS TRIGGER stamp_heartbeat;

GRANT SELECT ON changes TO iam_regional;
