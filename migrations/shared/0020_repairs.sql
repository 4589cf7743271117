-- Up Migration
-- Repairs of buckets whose rows in a region differ from those of the primary (docs/adr/0016).

-- A control plane claims a requested bucket and later publishes all its rows. Only replication sees `rows`: the primary empties it in
-- the same transaction, a region after use. It is as secret as the compared tables.
CREATE TABLE repairs (
  kind text NOT NULL CHECK (kind IN ('keys', 'roles')),
  bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND CASE kind WHEN 'keys' THEN 1023 ELSE 63 END),
  requested_at timestamptz,
  -- Also in regions whose bucket is not known to differ.
  forced boolean NOT NULL DEFAULT false,
  claim bigint NOT NULL DEFAULT 0,
  claimed_at timestamptz NOT NULL DEFAULT '-infinity',
  published_at timestamptz,
  rows jsonb,
  PRIMARY KEY (kind, bucket)
);
