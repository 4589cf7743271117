-- Up Migration
-- The regional service checks that its region has all migrations which it needs.

GRANT SELECT ON public.schema_migrations TO iam_regional;
