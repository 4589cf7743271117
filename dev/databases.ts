import pg from 'pg';
import {
  CONTROL_PLANE_LOGIN,
  REGIONAL_LOGIN,
  REPLICATOR_LOGIN,
  setLoginPassword,
} from '../src/database/logins.ts';
import { migrate } from '../src/database/migrate.ts';
import { subscribeRegion } from '../src/database/subscription.ts';
import type { PostgresServer } from './postgres/server.ts';
import type { DevSecrets } from './secrets.ts';

const DATABASE = 'iam';
const SUBSCRIPTION = 'iam_dev';

/** Settings of both servers: little memory, logical replication, and a quick reconnect after a restart. */
export const postgresSettings: Readonly<Record<string, string>> = {
  wal_level: 'logical',
  max_connections: '60',
  shared_buffers: '64MB',
  wal_retrieve_retry_interval: '500ms',
  // An unused replication slot must not fill the disk of a laptop.
  max_slot_wal_keep_size: '1GB',
};

export interface DatabaseUrls {
  /** As `iam_regional`. */
  replica: string;
  /** As `iam_control_plane`. */
  primary: string;
}

/** Migrates both databases and subscribes the region to the primary. Every step is idempotent. */
export async function prepareDatabases(
  primary: PostgresServer,
  region: PostgresServer,
  secrets: DevSecrets,
): Promise<DatabaseUrls> {
  await Promise.all([createDatabase(primary), createDatabase(region)]);
  const regionOwner = region.url(DATABASE);
  const primaryOwner = primary.url(DATABASE);
  await migrate(regionOwner, 'region');
  await setLoginPassword(regionOwner, REGIONAL_LOGIN, secrets.regionalPassword);
  await migrate(primaryOwner, 'primary');
  await setLoginPassword(primaryOwner, CONTROL_PLANE_LOGIN, secrets.controlPlanePassword);
  await setLoginPassword(primaryOwner, REPLICATOR_LOGIN, secrets.replicatorPassword);
  // Also updates the connection string: the ports can differ from the last run.
  await subscribeRegion(
    regionOwner,
    primary.url(DATABASE, REPLICATOR_LOGIN.name, secrets.replicatorPassword),
    SUBSCRIPTION,
  );
  return {
    replica: region.url(DATABASE, REGIONAL_LOGIN.name, secrets.regionalPassword),
    primary: primary.url(DATABASE, CONTROL_PLANE_LOGIN.name, secrets.controlPlanePassword),
  };
}

async function createDatabase(server: PostgresServer): Promise<void> {
  await withClient(server.url(), async (client) => {
    const existing = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
    if (existing.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
  });
}

/**
 * Resolves when the region has applied every current commit of the primary and all initial copies.
 *
 * `latest_end_lsn` is the last position that the apply worker reported. It applies in order, so earlier commits are in.
 */
export async function untilReplicated(
  primary: PostgresServer,
  region: PostgresServer,
  pause: () => Promise<void>,
): Promise<void> {
  const target = await withClient(primary.url(DATABASE), async (client) => {
    const { rows } = await client.query('SELECT pg_current_wal_lsn()::text AS lsn');
    return rows[0].lsn as string;
  });
  await withClient(region.url(DATABASE), async (client) => {
    for (;;) {
      const { rows } = await client.query(
        `SELECT EXISTS (SELECT FROM pg_stat_subscription WHERE subname = $1 AND relid IS NULL AND latest_end_lsn >= $2::pg_lsn)
           AND NOT EXISTS (SELECT FROM pg_subscription_rel WHERE srsubstate <> 'r') AS done`,
        [SUBSCRIPTION, target],
      );
      if (rows[0].done) return;
      await pause();
    }
  });
}

async function withClient<Result>(
  url: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({ connectionString: url, application_name: 'iam-dev' });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
