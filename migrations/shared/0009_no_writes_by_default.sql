-- Up Migration
-- By default every login may create temporary tables and large objects, and so fill the disk. No login of this service needs them.

DO $$
BEGIN
  EXECUTE pg_catalog.format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', pg_catalog.current_database());
  -- Only a superuser may do the rest; docs/install.md lists it for an administrator.
  REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;
EXCEPTION WHEN insufficient_privilege THEN NULL;
END
$$;
