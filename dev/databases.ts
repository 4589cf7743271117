import type pg from 'pg';
import {
  CONTROL_PLANE_LOGIN,
  REGIONAL_LOGIN,
  REPLICATOR_LOGIN,
  setLoginPassword,
} from '../src/database/logins.ts';
import { migrate } from '../src/database/migrate.ts';
import { withClient } from '../src/database/one-client.ts';
import { type Subscribed, subscribeRegion } from '../src/database/subscription.ts';
import { discardRegion } from './discard-region.ts';
import type { PostgresServer } from './postgres/server.ts';
import { hasSameRows, type RegionLink, whyCopyAgain } from './region-history.ts';
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

/** Both servers, and how to report and to wait while they are prepared. */
export interface DevDatabases {
  primary: PostgresServer;
  region: PostgresServer;
  say: (line: string) => void;
  /** A short pause. @throws when the stack is to stop */
  pause: () => Promise<void>;
}

/**
 * Migrates both databases and subscribes the region to the primary. Every step is idempotent. A region that misses changes of the
 * primary is copied again. Nothing else may write to the primary meanwhile.
 * @throws Error when the primary is older than the region
 */
export async function prepareDatabases(databases: DevDatabases, secrets: DevSecrets): Promise<DatabaseUrls> {
  const { primary, region } = databases;
  await createDatabase(primary, 'primary');
  await createDatabase(region, 'region');
  const link: RegionLink = {
    primaryUrl: primary.url(DATABASE),
    regionUrl: region.url(DATABASE),
    subscription: SUBSCRIPTION,
    primaryDirectory: primary.dataDirectory,
    regionDirectory: region.dataDirectory,
  };
  const reason = await whyCopyAgain(link);
  if (reason !== undefined) await copyAgain(databases, reason);
  if ((await migrateAndSubscribe(databases, secrets)) === 'updated') {
    await untilReplicated(databases);
    if (!(await hasSameRows(link))) {
      await copyAgain(databases, 'The data of the region is older than that of the primary, or was changed.');
      await migrateAndSubscribe(databases, secrets);
    }
  }
  return {
    replica: region.url(DATABASE, REGIONAL_LOGIN.name, secrets.regionalPassword),
    primary: primary.url(DATABASE, CONTROL_PLANE_LOGIN.name, secrets.controlPlanePassword),
  };
}

/** Empties the region. The next subscription copies everything. */
async function copyAgain({ primary, region, say }: DevDatabases, reason: string): Promise<void> {
  say(`${reason} Copying all keys from the primary again.`);
  await discardRegion(
    region.url(),
    { url: region.url(DATABASE), database: DATABASE, subscription: SUBSCRIPTION },
    primary.url(DATABASE),
  );
  await createDatabase(region, 'region');
}

async function migrateAndSubscribe(
  { primary, region }: DevDatabases,
  secrets: DevSecrets,
): Promise<Subscribed> {
  const regionOwner = region.url(DATABASE);
  const primaryOwner = primary.url(DATABASE);
  await migrate(regionOwner, 'region');
  await setLoginPassword(regionOwner, REGIONAL_LOGIN, secrets.regionalPassword);
  await migrate(primaryOwner, 'primary');
  await setLoginPassword(primaryOwner, CONTROL_PLANE_LOGIN, secrets.controlPlanePassword);
  await setLoginPassword(primaryOwner, REPLICATOR_LOGIN, secrets.replicatorPassword);
  // Also updates the connection string: the ports can differ from the last run.
  return subscribeRegion(
    regionOwner,
    primary.url(DATABASE, REPLICATOR_LOGIN.name, secrets.replicatorPassword),
    SUBSCRIPTION,
  );
}

async function createDatabase(server: PostgresServer, kind: 'primary' | 'region'): Promise<void> {
  try {
    await withClient(server.url(), 'iam-dev', async (client) => {
      const existing = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
      if (existing.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
    });
  } catch (error) {
    // invalid_password (PostgreSQL documentation, appendix A)
    if ((error as { code?: string }).code !== '28P01') throw error;
    throw new Error(
      `The password in secrets.json does not fit the data of the ${kind} (${server.dataDirectory}): they are from different runs. ${
        kind === 'region'
          ? 'Delete this directory and start again: the region then copies all keys from the primary.'
          : 'Put the directory and the file of one run back, or delete all keys and start again: npm start -- --reset'
      }`,
    );
  }
}

const REPLICATION_NOTICE_MS = 5_000;
const REPLICATION_TIMEOUT_MS = 60_000;

/**
 * Resolves when the region has applied every current commit of the primary and all initial copies.
 *
 * `latest_end_lsn` is the last position that the apply worker reported. It applies in order, so earlier commits are in.
 * @throws Error after a minute
 */
export async function untilReplicated({ primary, region, say, pause }: DevDatabases): Promise<void> {
  const target = await withClient(primary.url(DATABASE), 'iam-dev', async (client) => {
    const { rows } = await client.query('SELECT pg_current_wal_lsn()::text AS lsn');
    return rows[0].lsn as string;
  });
  const isDone = async (client: pg.Client): Promise<boolean> => {
    const { rows } = await client.query(
      `SELECT EXISTS (SELECT FROM pg_stat_subscription WHERE subname = $1 AND relid IS NULL AND latest_end_lsn >= $2::pg_lsn)
         AND NOT EXISTS (SELECT FROM pg_subscription_rel WHERE srsubstate <> 'r') AS done`,
      [SUBSCRIPTION, target],
    );
    return rows[0].done;
  };
  const startedAt = performance.now();
  let noticed = false;
  await withClient(region.url(DATABASE), 'iam-dev', async (client) => {
    while (!(await isDone(client))) {
      const waitedMs = performance.now() - startedAt;
      if (waitedMs > REPLICATION_TIMEOUT_MS) throw new Error(NOT_REPLICATED);
      if (waitedMs > REPLICATION_NOTICE_MS && !noticed) {
        noticed = true;
        say('Waiting until the region has applied all changes of the primary.');
      }
      await pause();
    }
  });
}

const NOT_REPLICATED = `The region has not applied all changes of the primary within ${REPLICATION_TIMEOUT_MS / 1_000} s. .iam/logs/region-postgres.log states the cause. To copy everything again, delete the data directory of the region and start again.`;
