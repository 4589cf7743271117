-- Up Migration
-- The tables that logical replication copies from the primary to every region. Logical replication carries no DDL:
-- run this file on every region first and on the primary last.

CREATE TABLE api_keys (
  id text PRIMARY KEY,
  organization_id text NOT NULL,
  description text NOT NULL,
  secret_hash text NOT NULL,
  previous_secret_hash text,
  previous_secret_expires_at timestamptz,
  role_assignments jsonb NOT NULL,
  internal boolean NOT NULL DEFAULT false,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  revoked_by text,
  version bigint NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX api_keys_version ON api_keys (version);
CREATE INDEX api_keys_changed_at ON api_keys (changed_at);

-- A predefined role has neither organization nor project ('' in both); a custom role has both.
-- deleted_at marks a deleted role, so that a feed that polls by version sees the deletion.
CREATE TABLE roles (
  organization_id text NOT NULL DEFAULT '',
  project_type text NOT NULL,
  project_id text NOT NULL DEFAULT '',
  name text NOT NULL,
  descriptor jsonb NOT NULL,
  deleted_at timestamptz,
  version bigint NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (organization_id, project_type, project_id, name),
  CHECK ((organization_id = '') = (project_id = ''))
);
CREATE INDEX roles_version ON roles (version);
CREATE INDEX roles_changed_at ON roles (changed_at);

-- One row, which the primary updates each second; its age in a region is the replication lag.
CREATE TABLE heartbeat (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  beat_at timestamptz NOT NULL
);

-- Roles are cluster-wide and migrations run per database, so a role may exist already, or another migration may create it
-- at the same time. A role cannot log in until an operator sets its password. An owner without CREATEROLE, as in managed
-- Postgres, needs roles that an administrator has created.
DO $$
DECLARE
  login text;
BEGIN
  FOREACH login IN ARRAY ARRAY['iam_control_plane', 'iam_regional', 'iam_replicator'] LOOP
    CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = login);
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', login);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END LOOP;
END
$$;

-- On the primary too, because a physical standby has the grants of the primary.
GRANT USAGE ON SCHEMA public TO iam_regional;
GRANT SELECT ON api_keys, roles, heartbeat TO iam_regional;
