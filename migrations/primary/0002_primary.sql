-- Up Migration
-- Only on the primary: versions, organizations, the audit trail and the publication.

CREATE SEQUENCE version_seq AS bigint;

CREATE FUNCTION assign_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.version := nextval('public.version_seq');
  NEW.changed_at := clock_timestamp();
  RETURN NEW;
END
$$;
CREATE TRIGGER assign_version BEFORE INSERT OR UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION assign_version();
CREATE TRIGGER assign_version BEFORE INSERT OR UPDATE ON roles FOR EACH ROW EXECUTE FUNCTION assign_version();

CREATE TABLE organizations (
  id text PRIMARY KEY,
  name text NOT NULL,
  key_quota integer NOT NULL DEFAULT 500 CHECK (key_quota >= 0),
  created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE api_keys ADD FOREIGN KEY (organization_id) REFERENCES organizations (id);
CREATE INDEX api_keys_by_organization ON api_keys (organization_id, created_at DESC, id DESC);

CREATE TABLE audit_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  organization_id text,
  actor_type text NOT NULL,
  actor_id text NOT NULL,
  action text NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('success', 'failure')),
  target_type text,
  target_id text,
  source_ip text,
  request_id text,
  reason text,
  before jsonb,
  after jsonb
);
CREATE INDEX audit_events_by_organization ON audit_events (organization_id, id DESC);

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit_events is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

INSERT INTO heartbeat (beat_at) VALUES (now());

-- The publication omits TRUNCATE: one statement must never remove every key from the regions.
CREATE PUBLICATION iam FOR TABLE api_keys, roles, heartbeat WITH (publish = 'insert, update, delete');

GRANT USAGE ON SCHEMA public TO iam_control_plane, iam_replicator;
GRANT SELECT, INSERT, UPDATE ON api_keys, roles, organizations TO iam_control_plane;
GRANT SELECT, UPDATE ON heartbeat TO iam_control_plane;
GRANT SELECT, INSERT ON audit_events TO iam_control_plane;
GRANT USAGE ON SEQUENCE version_seq TO iam_control_plane;
GRANT SELECT ON api_keys, roles, heartbeat TO iam_replicator;
