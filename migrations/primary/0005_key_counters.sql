-- Up Migration
-- Counters of active keys per organization, so that the check of the quota does not count rows.
--
-- A counter is never too low: an expired key stays counted until a recount. So a creation recounts before it refuses.

ALTER TABLE organizations
  ADD COLUMN external_keys integer NOT NULL DEFAULT 0,
  ADD COLUMN internal_keys integer NOT NULL DEFAULT 0;

CREATE FUNCTION is_active(revoked_at timestamptz, expires_at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())
$$;

-- One update per statement and organization, also for bulk changes.
CREATE FUNCTION count_created_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE public.organizations AS o
  SET external_keys = external_keys + n.external, internal_keys = internal_keys + n.internal
  FROM (
    SELECT organization_id, count(*) FILTER (WHERE NOT internal) AS external, count(*) FILTER (WHERE internal) AS internal
    FROM new_keys WHERE public.is_active(revoked_at, expires_at) GROUP BY organization_id
  ) AS n
  WHERE o.id = n.organization_id;
  RETURN NULL;
END
$$;
CREATE TRIGGER count_created_keys AFTER INSERT ON api_keys
  REFERENCING NEW TABLE AS new_keys FOR EACH STATEMENT EXECUTE FUNCTION count_created_keys();

CREATE FUNCTION count_changed_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE public.organizations AS o
  SET external_keys = external_keys + c.external, internal_keys = internal_keys + c.internal
  FROM (
    SELECT n.organization_id,
      coalesce(sum(change) FILTER (WHERE NOT n.internal), 0) AS external,
      coalesce(sum(change) FILTER (WHERE n.internal), 0) AS internal
    FROM old_keys AS b JOIN new_keys AS n ON n.id = b.id,
      LATERAL (SELECT public.is_active(n.revoked_at, n.expires_at)::int - public.is_active(b.revoked_at, b.expires_at)::int)
        AS difference (change)
    WHERE change <> 0 GROUP BY n.organization_id
  ) AS c
  WHERE o.id = c.organization_id;
  RETURN NULL;
END
$$;
CREATE TRIGGER count_changed_keys AFTER UPDATE ON api_keys
  REFERENCING OLD TABLE AS old_keys NEW TABLE AS new_keys FOR EACH STATEMENT EXECUTE FUNCTION count_changed_keys();

UPDATE organizations AS o
SET external_keys = n.external, internal_keys = n.internal
FROM (
  SELECT organization_id, count(*) FILTER (WHERE NOT internal) AS external, count(*) FILTER (WHERE internal) AS internal
  FROM api_keys WHERE is_active(revoked_at, expires_at) GROUP BY organization_id
) AS n
WHERE o.id = n.organization_id;
