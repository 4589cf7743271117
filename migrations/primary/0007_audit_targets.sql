-- Up Migration
-- Targets of different refusals that one audit event stands for. Not part of "requested", which the caller chooses.

ALTER TABLE audit_events
  ADD COLUMN targets text[],
  ADD COLUMN targets_omitted integer;
GRANT INSERT (targets, targets_omitted) ON audit_events TO iam_control_plane;
