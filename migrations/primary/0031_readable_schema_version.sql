-- Up Migration
-- The control plane checks that the primary has all migrations which it needs, and so does the regional service of a region on a
-- physical standby, which has the schema of the primary.

GRANT SELECT ON public.schema_migrations TO iam_control_plane, iam_regional;
