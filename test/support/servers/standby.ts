import { chown, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { runCommand } from '../../../dev/child-process.ts';
import type { PostgresServer } from '../../../dev/postgres/server.ts';
import { resolveServerUser } from '../../../dev/postgres/server-user.ts';
import { type PostgresAccess, startTestPostgres } from './postgres.ts';

/**
 * Starts a physical standby from a low-level base backup of the primary, because the npm packages contain no
 * pg_basebackup.
 * @param dataDirectory of the standby; it must not exist, and Postgres' account must be able to enter its parent
 * @returns the server, and the URL of its database `postgres` as the primary's superuser
 */
export async function startStandby(
  primary: { server: PostgresServer; access: PostgresAccess },
  dataDirectory: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<{ server: PostgresServer; url: string }> {
  await baseBackup(primary, dataDirectory);
  await writeServerFile(join(dataDirectory, 'standby.signal'), '');
  const { host, port, user, password } = primary.access;
  const { server, access } = await startTestPostgres(dataDirectory, {
    primary_conninfo: `host=${host} port=${port} user=${user} password=${password}`,
    hot_standby: 'on',
    ...settings,
  });
  const url = new URL(access.url);
  url.password = password; // the standby has the accounts of the primary
  return { server, url: url.href };
}

/** Copies a running server's files between the calls that make the copy consistent. */
async function baseBackup(
  { server, access }: { server: PostgresServer; access: PostgresAccess },
  target: string,
): Promise<void> {
  const client = new pg.Client({ connectionString: access.url });
  await client.connect();
  try {
    await client.query("SELECT pg_backup_start('standby of a test', true)");
    const copied = await runCommand('cp', ['-a', server.dataDirectory, target]);
    if (copied.exitCode !== 0) throw new Error(`The primary's files could not be copied: ${copied.output}`);
    const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
    await writeServerFile(join(target, 'backup_label'), rows[0]?.labelfile ?? '');
    for (const file of ['postmaster.pid', 'postmaster.opts']) await rm(join(target, file), { force: true });
  } finally {
    await client.end();
  }
}

async function writeServerFile(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
  const user = await resolveServerUser();
  if (user) await chown(path, user.uid, user.gid);
}
