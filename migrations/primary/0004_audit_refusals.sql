-- Up Migration
-- Audit events of refusals: what was requested, and how often it was refused.

ALTER TABLE audit_events
  ADD COLUMN requested jsonb,
  ADD COLUMN count integer NOT NULL DEFAULT 1 CHECK (count > 0);

-- The database sets id and time of an event. A stolen login of the control plane cannot choose them.
REVOKE INSERT ON audit_events FROM iam_control_plane;
GRANT INSERT (organization_id, actor_type, actor_id, action, outcome, target_type, target_id, source_ip, request_id,
  reason, before, after, requested, count) ON audit_events TO iam_control_plane;
