-- Up Migration
-- Tables of the control plane beside keys and roles: responses for repeated requests, and warnings about expiry.

-- The response is encrypted with a key that derives from the secret of the caller's credential (docs/adr/0005): nothing
-- in this database decrypts it.
CREATE TABLE idempotent_answers (
  actor_id text NOT NULL,
  idempotency_digest text NOT NULL,
  request_digest text NOT NULL,
  salt bytea NOT NULL,
  sealed_answer bytea NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (actor_id, idempotency_digest)
);
CREATE INDEX idempotent_answers_expiry ON idempotent_answers (expires_at);

-- One row per warning about a key's expiry, whichever process inserts it first. A new expiration is a new warning.
CREATE TABLE expiry_notices (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key_id text NOT NULL,
  organization_id text NOT NULL,
  expires_at timestamptz NOT NULL,
  days_ahead integer NOT NULL,
  noticed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  delivered_at timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (key_id, expires_at, days_ahead)
);
CREATE INDEX expiry_notices_undelivered ON expiry_notices (next_attempt_at) WHERE delivered_at IS NULL;
CREATE INDEX api_keys_expiry ON api_keys (expires_at) WHERE revoked_at IS NULL AND expires_at IS NOT NULL;

GRANT SELECT, INSERT, DELETE ON idempotent_answers TO iam_control_plane;
GRANT SELECT, INSERT, UPDATE ON expiry_notices TO iam_control_plane;
