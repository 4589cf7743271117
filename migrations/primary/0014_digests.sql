-- Up Migration
-- The parts whose digests the control plane publishes: 1,024 buckets of keys and 64 of roles, 32 in each part.

INSERT INTO digests (part, kind, first_bucket) SELECT part, 'keys', part * 32 FROM generate_series(0, 31) AS part;
INSERT INTO digests (part, kind, first_bucket) SELECT 32 + part, 'roles', part * 32 FROM generate_series(0, 1) AS part;

ALTER PUBLICATION iam ADD TABLE digests;
GRANT SELECT, UPDATE ON digests TO iam_control_plane;
GRANT SELECT ON digests TO iam_replicator;
