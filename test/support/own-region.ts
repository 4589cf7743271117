import { randomBytes } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { runCommand } from '../../dev/child-process.ts';
import { freePort } from '../../dev/ports.ts';
import { REGIONAL_LOGIN, setLoginPassword } from '../../src/database/logins.ts';
import { migrate } from '../../src/database/migrate.ts';
import { subscribeRegion } from '../../src/database/subscription.ts';
import { createScratchDirectory, startTestPostgres } from './servers/postgres.ts';

/** A region on a server of its own, whose data directory can be replaced by an older copy of it. */
export interface OwnRegion {
  /** Superuser pool. Connections break when the server stops. */
  pool: pg.Pool;
  url: string;
  replicaUrl: string;
  name: string;
  /** Copies the data directory. The server stops meanwhile. */
  save(): Promise<void>;
  /** Starts the server on the copy. */
  restoreSaved(): Promise<void>;
  stopServer(): Promise<void>;
  startServer(): Promise<void>;
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
  const directory = await createScratchDirectory('region');
  const dataDirectory = join(directory, 'data');
  const saved = join(directory, 'saved');
  const port = await freePort();
  const start = () => startTestPostgres(dataDirectory, settings, { port, password: PASSWORD });
  let running = await start();
  const { url } = running.access;
  const name = `own_${randomBytes(6).toString('hex')}`;
  await migrate(url, 'region');
  await setLoginPassword(url, REGIONAL_LOGIN, PASSWORD);
  await subscribeRegion(url, primaryUrl, name);
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on('error', () => {});
  pool.on('connect', (client) => void client.on('error', () => {}));
  const stopServer = () => running.server.stop();
  const startServer = async () => {
    running = await start();
  };
  return {
    pool,
    url,
    name,
    replicaUrl: Object.assign(new URL(url), { username: REGIONAL_LOGIN.name, password: PASSWORD }).href,
    stopServer,
    startServer,
    save: async () => {
      await stopServer();
      await copy(dataDirectory, saved);
      await startServer();
    },
    restoreSaved: async () => {
      await rm(dataDirectory, { recursive: true });
      await rename(saved, dataDirectory);
      await startServer();
    },
    close: async () => {
      await pool.end();
      await running.server.stop('immediate');
      await rm(directory, { recursive: true, force: true });
      await dropSlots(primaryUrl);
    },
  };
}

async function copy(from: string, to: string): Promise<void> {
  const copied = await runCommand('cp', ['-a', from, to]);
  if (copied.exitCode !== 0) throw new Error(`The data directory could not be copied: ${copied.output}`);
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
