import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../dev/ports.ts';
import { stopLeftoverPostmaster } from '../../../dev/postgres/leftover.ts';
import { type PostgresServer, startPostgres } from '../../../dev/postgres/server.ts';
import { resolveServerUser } from '../../../dev/postgres/server-user.ts';
import { canEnter } from '../../../dev/reachable.ts';

/** Superuser access to a server that test files share; each file creates its own database. */
export interface PostgresAccess {
  /** Superuser URL of the database `postgres`. */
  url: string;
  host: string;
  port: number;
  user: string;
  password: string;
}

export interface TestPostgres {
  primary: PostgresAccess;
  region: PostgresAccess;
}

/**
 * Allows many databases, publications and subscriptions, without durability. `synchronous_commit` stays on: otherwise
 * commits wait for the next cycle of the WAL writer, and logical decoding, which reads flushed WAL, is 200 ms late.
 * With `fsync` off it costs almost nothing.
 */
const testSettings: Readonly<Record<string, string>> = {
  wal_level: 'logical',
  max_connections: '300',
  shared_buffers: '128MB',
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'on',
  max_replication_slots: '60',
  max_active_replication_origins: '60',
  max_wal_senders: '60',
  max_worker_processes: '80',
  max_logical_replication_workers: '60',
  max_sync_workers_per_subscription: '2',
  wal_retrieve_retry_interval: '100ms',
  wal_receiver_status_interval: '1s',
  checkpoint_timeout: '30min',
  max_wal_size: '4GB',
  autovacuum_naptime: '5min',
};

const PREFIX = 'regional-iam-test-';

/** Creates a directory that Postgres' account can enter. Its name contains the pid of this process. */
export async function createScratchDirectory(purpose: string): Promise<string> {
  const user = await resolveServerUser();
  for (const parent of [tmpdir(), '/tmp', '/var/tmp']) {
    const directory = await mkdtemp(join(parent, `${PREFIX}${process.pid}-${purpose}-`));
    await chmod(directory, 0o711);
    if (!user || (await canEnter(directory, user))) return directory;
    await rm(directory, { recursive: true });
  }
  throw new Error(`The user "${user?.name}" can enter no temporary directory.`);
}

/** Stops the servers and removes the files that killed test runs left in the temporary directory. */
export async function sweepAbandonedRuns(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(/^regional-iam-test-(\d+)-/.exec(name)?.[1]);
    if (!pid || isRunning(pid)) continue;
    // Another run may remove the same directory, and other accounts' directories cannot be removed.
    await sweep(join(tmpdir(), name)).catch(() => {});
  }
}

async function sweep(directory: string): Promise<void> {
  for (const child of await readdir(directory)) await stopLeftoverPostmaster(join(directory, child));
  await rm(directory, { recursive: true, force: true });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Starts a Postgres for a test file that stops, kills or disconnects its server. Other files share the servers of the run
 * (`inject('postgres')`). The caller stops the server and removes the directory.
 */
export async function startTestPostgres(
  dataDirectory: string,
  settings: Readonly<Record<string, string>> = {},
  /** For a server that starts again: as it was at its first start. For a standby: the password of its primary. */
  fixed: { port?: number; password?: string } = {},
): Promise<{ server: PostgresServer; access: PostgresAccess }> {
  const password = fixed.password ?? randomBytes(12).toString('hex');
  const server = await startPostgres({
    dataDirectory,
    port: fixed.port ?? (await freePort()),
    superuserPassword: password,
    settings: { ...testSettings, ...settings },
  });
  const access = { url: server.url(), host: '127.0.0.1', port: server.port, user: 'postgres', password };
  return { server, access };
}
