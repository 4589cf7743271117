import type pg from 'pg';
import type { DatabaseKind } from './logins.ts';

/**
 * Functions that every login may call by default, and that no login of this service needs. All sessions of a server share one table of
 * locks; a login that fills it with advisory locks lets every other transaction fail. Large objects and messages in the WAL fill the
 * disk. Functions of the primary emit such messages as their owner, which is not always a superuser.
 */
const UNUSED_FUNCTIONS: Record<DatabaseKind, string> = {
  primary: '^(pg_(try_)?advisory_(xact_)?lock(_shared)?|lo_creat|lo_create|lo_from_bytea)$',
  region:
    '^(pg_(try_)?advisory_(xact_)?lock(_shared)?|lo_creat|lo_create|lo_from_bytea|pg_logical_emit_message)$',
};

/**
 * Takes from all logins what Postgres gives them by default. Restored and copied databases have it again. Only the owner of the database
 * may change temporary tables, which could fill the disk, and only a superuser the functions; docs/install.md lists them for an
 * administrator. "iam migrate" of an owner needs one function.
 */
export async function revokePublicLeftovers(client: pg.Client, kind: DatabaseKind): Promise<void> {
  await client.query(`DO $$
    DECLARE
      own pg_catalog.pg_database;
      unused pg_catalog.regprocedure;
    BEGIN
      SELECT * INTO own FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database();
      IF pg_catalog.has_database_privilege('public', own.oid, 'TEMPORARY') AND pg_catalog.pg_has_role(own.datdba, 'USAGE') THEN
        EXECUTE pg_catalog.format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', own.datname);
      END IF;
      IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
        FOR unused IN
          SELECT oid FROM pg_catalog.pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
            AND proname ~ '${UNUSED_FUNCTIONS[kind]}' AND pg_catalog.has_function_privilege('public', oid, 'EXECUTE')
        LOOP
          EXECUTE pg_catalog.format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', unused);
        END LOOP;
        EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_lock(bigint) TO %s',
          own.datdba::regrole);
      END IF;
    END
  $$`);
}
