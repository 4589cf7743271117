import { chown, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { runCommand } from '../../../dev/child-process.ts';
import type { PostgresServer } from '../../../dev/postgres/server.ts';
import { resolveServerUser } from '../../../dev/postgres/server-user.ts';
import { runStatement } from '../run-statement.ts';
import { type PostgresAccess, startTestPostgres } from './postgres.ts';

/** A server, and its superuser. */
export interface ServerWithAccess {
  server: PostgresServer;
  access: PostgresAccess;
}

/**
 * Starts a physical standby from a low-level base backup of the primary, because the npm packages contain no
 * pg_basebackup.
 * @param dataDirectory of the standby; it must not exist, and Postgres' account must be able to enter its parent
 * @returns the server, and the URL of its database `postgres` as the primary's superuser
 */
export async function startStandby(
  primary: ServerWithAccess,
  dataDirectory: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<{ server: PostgresServer; url: string }> {
  const { server, access } = await startFollowing(primary, dataDirectory, settings);
  return { server, url: access.url };
}

/**
 * Starts a standby that may be promoted: it has a slot on the primary, and copies the slots of the regions (docs/failover.md).
 * @param name of the standby (`synchronous_standby_names`) and of its slot
 */
export async function startFailoverStandby(
  primary: ServerWithAccess,
  dataDirectory: string,
  { name, port }: { name: string; port?: number },
): Promise<ServerWithAccess> {
  await runStatement(primary.access.url, `SELECT pg_create_physical_replication_slot('${name}', true)`);
  return startFollowing(
    primary,
    dataDirectory,
    {
      primary_conninfo: `${conninfo(primary.access)} dbname=postgres application_name=${name}`,
      primary_slot_name: name,
      hot_standby_feedback: 'on',
      sync_replication_slots: 'on',
    },
    port,
  );
}

/**
 * A statement that drops the slots of all standbys, so that they get nothing that commits from now on. A standby connects again within
 * milliseconds, so only an attempt right after the end of its connection succeeds.
 */
export const CUT_STANDBYS_OFF = `DO $$
  BEGIN
    FOR attempt IN 1..5000 LOOP
      BEGIN
        PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_type = 'physical' AND active;
        PERFORM pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_type = 'physical';
        RETURN;
      EXCEPTION WHEN object_in_use THEN
        PERFORM pg_sleep(0.002);
      END;
    END LOOP;
    RAISE 'a standby still uses its slot';
  END $$`;

async function startFollowing(
  primary: ServerWithAccess,
  dataDirectory: string,
  settings: Readonly<Record<string, string>>,
  port?: number,
): Promise<ServerWithAccess> {
  await baseBackup(primary, dataDirectory);
  await writeServerFile(join(dataDirectory, 'standby.signal'), '');
  return startTestPostgres(
    dataDirectory,
    { primary_conninfo: conninfo(primary.access), hot_standby: 'on', ...settings },
    // The standby has the accounts of the primary.
    { password: primary.access.password, ...(port !== undefined && { port }) },
  );
}

function conninfo({ host, port, user, password }: PostgresAccess): string {
  return `host=${host} port=${port} user=${user} password=${password}`;
}

/** Copies a running server's files between the calls that make the copy consistent. */
async function baseBackup({ server, access }: ServerWithAccess, target: string): Promise<void> {
  const client = new pg.Client({ connectionString: access.url });
  await client.connect();
  try {
    await client.query("SELECT pg_backup_start('standby of a test', true)");
    const copied = await runCommand('cp', ['-a', server.dataDirectory, target]);
    if (copied.exitCode !== 0) throw new Error(`The primary's files could not be copied: ${copied.output}`);
    const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
    await writeServerFile(join(target, 'backup_label'), rows[0]?.labelfile ?? '');
    for (const file of ['postmaster.pid', 'postmaster.opts']) await rm(join(target, file), { force: true });
    // As pg_basebackup does: a standby has no slots of its own.
    for (const slot of await readdir(join(target, 'pg_replslot')))
      await rm(join(target, 'pg_replslot', slot), { recursive: true });
  } finally {
    await client.end();
  }
}

async function writeServerFile(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
  const user = await resolveServerUser();
  if (user) await chown(path, user.uid, user.gid);
}
