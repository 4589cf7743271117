import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { PostgresServer } from '../../dev/postgres/server.ts';
import { migrate } from '../../src/database/migrate.ts';
import { createScratchDirectory, startTestPostgres } from './servers/postgres.ts';
import { startStandby } from './servers/standby.ts';

/** A primary and a region on a physical standby of it. */
export interface StandbyRegion {
  /** Superuser pools. */
  primary: pg.Pool;
  standby: pg.Pool;
  /** URL of the standby with the login of the regional service, which may only SELECT. */
  replicaUrl: string;
  /** The same login on the primary. */
  primaryUrl: string;
  /** The primary's superuser. */
  superuserUrl: string;
  /** Resolves when the standby shows everything that is committed on the primary now. */
  replicated(): Promise<void>;
  close(): Promise<void>;
}

const REGIONAL_PASSWORD = 'regional-test-password';

/** @param settings of both servers */
export async function startStandbyRegion(
  settings: Readonly<Record<string, string>> = {},
): Promise<StandbyRegion> {
  const directory = await createScratchDirectory('standby');
  const servers: PostgresServer[] = [];
  const first = await startTestPostgres(join(directory, 'primary'), settings);
  servers.push(first.server);
  await migrate(first.access.url, 'primary');
  const primary = new pg.Pool({ connectionString: first.access.url, max: 8 });
  await primary.query(`ALTER ROLE iam_regional LOGIN PASSWORD '${REGIONAL_PASSWORD}'`);
  const second = await startStandby(first, join(directory, 'standby'), settings);
  servers.unshift(second.server);
  const standby = new pg.Pool({ connectionString: second.url, max: 2 });
  for (const pool of [primary, standby]) pool.on('error', () => {});
  const replicated = async () => {
    const { rows } = await primary.query<{ lsn: string }>('SELECT pg_current_wal_lsn() AS lsn');
    const arrived = () =>
      standby.query<{ ok: boolean }>('SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS ok', [rows[0]?.lsn]);
    while ((await arrived()).rows[0]?.ok !== true) await sleep(5);
  };
  // A standby that started may be an older copy until it has a heartbeat from after its start.
  await primary.query('SELECT beat()');
  await replicated();
  return {
    primary,
    standby,
    replicaUrl: asRegional(second.url),
    primaryUrl: asRegional(first.access.url),
    superuserUrl: first.access.url,
    replicated,
    close: async () => {
      await Promise.all([primary.end(), standby.end()]);
      for (const server of servers) await server.stop('immediate');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function asRegional(superuserUrl: string): string {
  const url = new URL(superuserUrl);
  url.username = 'iam_regional';
  url.password = REGIONAL_PASSWORD;
  return url.href;
}
