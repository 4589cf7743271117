import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { REGIONAL_LOGIN, setLoginPassword } from '../../src/database/logins.ts';
import { migrate } from '../../src/database/migrate.ts';
import { subscribeRegion } from '../../src/database/subscription.ts';
import { type SavedPostgres, startSavedPostgres } from './servers/saved-postgres.ts';

/** A region on a server of its own. */
export interface OwnRegion {
  /** Superuser pool. Connections break when the server stops. */
  pool: pg.Pool;
  server: SavedPostgres;
  replicaUrl: string;
  /** Of the subscription and of its slot. */
  name: string;
  close(): Promise<void>;
}

const PASSWORD = 'own-region-test-password';

/**
 * @param primaryUrl superuser URL of the primary that it subscribes to
 * @param settings of the server
 */
export async function startOwnRegion(
  primaryUrl: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<OwnRegion> {
  const server = await startSavedPostgres('region', PASSWORD, settings);
  const { url } = server;
  const name = `own_${randomBytes(6).toString('hex')}`;
  await migrate(url, 'region');
  await setLoginPassword(url, REGIONAL_LOGIN, PASSWORD);
  await subscribeRegion(url, primaryUrl, name);
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on('error', () => {});
  pool.on('connect', (client) => void client.on('error', () => {}));
  return {
    pool,
    server,
    name,
    replicaUrl: Object.assign(new URL(url), { username: REGIONAL_LOGIN.name, password: PASSWORD }).href,
    close: async () => {
      await pool.end();
      await server.close();
      await dropSlots(primaryUrl);
    },
  };
}

/** Also drops the slots of table copies that have not finished. A sender may still start for a moment after the region stopped. */
async function dropSlots(primaryUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: primaryUrl });
  await client.connect();
  for (let left = Infinity; left > 0; await sleep(20)) {
    await client.query(
      'SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE database = current_database() AND active',
    );
    await client
      .query(
        'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()',
      )
      .catch(() => {});
    const { rows } = await client.query(
      'SELECT count(*)::int FROM pg_replication_slots WHERE database = current_database()',
    );
    left = rows[0].count;
  }
  await client.end();
}
