import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from '../../dev/ports.ts';
import { type PostgresServer, startPostgres } from '../../dev/postgres/server.ts';
import { type RedisServer, startRedis } from '../../dev/redis/server.ts';
import type { Bench } from './bench.ts';

/** All data fits into memory, and no maintenance runs during a measurement. */
const settings = {
  max_connections: '100',
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '30min',
  autovacuum: 'off',
  jit: 'off',
};

/** For cases that only read: the fill does not wait for the disk. */
const notDurable = { fsync: 'off', full_page_writes: 'off' };

/** A temporary Postgres server for one case, on the processors of the other processes. */
export interface BenchPostgres {
  server: PostgresServer;
  createDatabase(name: string): Promise<void>;
}

export async function startBenchPostgres(
  bench: Bench,
  options: { durable?: boolean } = {},
): Promise<BenchPostgres> {
  const directory = await mkdtemp(join(tmpdir(), 'regional-iam-bench-'));
  await chmod(directory, 0o711);
  bench.defer(() => rm(directory, { recursive: true, force: true }));
  const server = await startPostgres({
    dataDirectory: join(directory, 'postgres'),
    port: await freePort(),
    superuserPassword: randomBytes(12).toString('hex'),
    settings: options.durable ? settings : { ...settings, ...notDurable },
  });
  bench.defer(() => server.stop('immediate'));
  return {
    server,
    createDatabase: async (name) => {
      await withClient(server.url(), (client) => client.query(`CREATE DATABASE ${name}`));
    },
  };
}

/** Starts a temporary Redis server for one case, without persistence. */
export async function startBenchRedis(bench: Bench): Promise<RedisServer> {
  const server = await startRedis({ port: await freePort() });
  bench.defer(() => server.stop());
  return server;
}

/** Runs the work with a connected client and closes the client afterwards. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
