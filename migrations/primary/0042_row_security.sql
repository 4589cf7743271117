-- Up Migration
-- Row-level security. A transaction of the control plane that acts for a caller names the organization of the caller in the setting
-- iam.organization. It then reaches no row of another one, whatever a statement says. Without the setting, as in sessions of
-- replication, standbys and background work, all rows are visible: a policy that hides rows from a replication login would let the
-- initial copy of a region transfer none, without an error. The owner is exempt, and so are its functions.

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_caller ON api_keys
  USING ((SELECT coalesce(current_setting('iam.organization', true), '')) IN ('', organization_id));

ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_caller ON organizations
  USING ((SELECT coalesce(current_setting('iam.organization', true), '')) IN ('', id));

ALTER TABLE audit_events ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_caller ON audit_events
  USING ((SELECT coalesce(current_setting('iam.organization', true), '')) IN ('', organization_id));

-- Everyone reads the predefined roles, whose organization is ''. Only the owner writes them, as part of "iam migrate" or
-- "iam roles load": a stolen login of the control plane cannot change the permissions of all organizations at once.
ALTER TABLE roles ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_caller ON roles FOR SELECT
  USING (organization_id = '' OR (SELECT coalesce(current_setting('iam.organization', true), '')) IN ('', organization_id));
CREATE POLICY insert_custom ON roles FOR INSERT
  WITH CHECK (organization_id <> '' AND (SELECT coalesce(current_setting('iam.organization', true), '')) IN ('', organization_id));
CREATE POLICY update_custom ON roles FOR UPDATE
  USING (organization_id <> '' AND (SELECT coalesce(current_setting('iam.organization', true), '')) IN ('', organization_id));
REVOKE INSERT, UPDATE ON predefined_role_set FROM iam_control_plane;

-- As the owner, because the policy would make each digest read the table instead of only the index.
ALTER FUNCTION digest_of(text, smallint) SECURITY DEFINER;
ALTER FUNCTION digest_of(text, smallint) SET search_path = pg_catalog, pg_temp;
REVOKE EXECUTE ON FUNCTION digest_of(text, smallint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION digest_of(text, smallint) TO iam_control_plane;
