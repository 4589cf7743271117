import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { childEnvironment, type ServerExit, type StopStep, stopChild } from '../child-process.ts';
import { LogLines } from '../log-lines.ts';
import { type PostgresBinaries, usableBinaries } from './binaries.ts';
import { postgresFailure } from './failure.ts';
import { initializeCluster, SUPERUSER } from './initialize.ts';
import { stopLeftoverPostmaster } from './leftover.ts';
import { resolveServerUser, type ServerUser } from './server-user.ts';

export interface PostgresOptions {
  /** Absolute; created if missing. Postgres' account must be able to enter its parents. */
  dataDirectory: string;
  port: number;
  /** Set when the cluster is created; later starts must pass the same. */
  superuserPassword: string;
  /** Server settings by name, such as `{ wal_level: 'logical' }`; they override `defaultSettings`. */
  settings?: Readonly<Record<string, string>>;
  onLog?: (line: string) => void;
  /** Default: the result of `resolveServerUser`. */
  user?: ServerUser | undefined;
  /** Default: the result of `usableBinaries` for that user. */
  binaries?: PostgresBinaries;
  readyTimeoutMs?: number;
}

export interface PostgresServer {
  readonly port: number;
  readonly pid: number;
  readonly dataDirectory: string;
  /** Whether this start created the cluster. */
  readonly isNew: boolean;
  /** Connection URL; by default of the superuser with its password. */
  url(database?: string, user?: string, password?: string): string;
  /** Stops within ten seconds: fast (SIGINT), then immediate (SIGQUIT), then SIGKILL. Idempotent. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
  /** Resolves when the server has exited for any reason; never rejects. */
  readonly exited: Promise<ServerExit>;
}

const defaultSettings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  lc_messages: 'C',
  log_destination: 'stderr',
  logging_collector: 'off',
  // Otherwise a failing statement or row writes password literals and secret hashes into the log.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
};

const FAST_STOP_MS = 4_000;
const IMMEDIATE_STOP_MS = 2_000;
const ORPHANS_GRACE_MS = 5_000;

/**
 * Starts Postgres on 127.0.0.1 and resolves when it accepts connections. It first stops a postmaster that a killed run
 * left on the same directory, and creates the cluster if the directory is empty.
 * @throws DamagedDataDirectory when files are missing or damaged; other errors too have the end of the server's log
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const user = options.user ?? (await resolveServerUser());
  const binaries = options.binaries ?? (await usableBinaries(user));
  const { dataDirectory, superuserPassword } = options;
  await stopLeftoverPostmaster(dataDirectory);
  const isNew = await initializeCluster(binaries, dataDirectory, superuserPassword, user);

  const retryUntil = performance.now() + ORPHANS_GRACE_MS;
  let launched = await launch(binaries, options, user);
  // After a SIGKILL of the postmaster its backends need a moment to exit.
  while (
    'failure' in launched &&
    launched.failure.message.includes('shared memory block') &&
    performance.now() < retryUntil
  ) {
    launched = await launch(binaries, options, user);
  }
  if ('failure' in launched) throw launched.failure;

  const { child, pid, exited } = launched;
  return {
    port: options.port,
    pid,
    dataDirectory,
    isNew,
    exited,
    url: (database = 'postgres', login, password) => {
      const asSuperuser = login === undefined;
      const secret = asSuperuser ? superuserPassword : password;
      const credentials = `${encodeURIComponent(login ?? SUPERUSER)}${secret === undefined ? '' : `:${encodeURIComponent(secret)}`}`;
      return `postgres://${credentials}@127.0.0.1:${options.port}/${encodeURIComponent(database)}`;
    },
    stop: (mode = 'fast') => stopChild(child, exited, stopSteps(mode)),
  };
}

type Launched = { child: ChildProcess; pid: number; exited: Promise<ServerExit> } | { failure: Error };

async function launch(
  binaries: PostgresBinaries,
  options: PostgresOptions,
  user: ServerUser | undefined,
): Promise<Launched> {
  const settings = { ...defaultSettings, ...options.settings, port: String(options.port) };
  const child = spawn(
    binaries.postgres,
    [
      '-D',
      options.dataDirectory,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    {
      cwd: '/', // the current directory may be closed to that user
      env: childEnvironment,
      stdio: ['ignore', 'ignore', 'pipe'],
      // In its own session, so that Ctrl-C reaches only the supervisor, which stops the servers in order.
      detached: true,
      ...(user ? { uid: user.uid, gid: user.gid } : {}),
    },
  );
  await once(child, 'spawn');
  const log = new LogLines(child.stderr, options.onLog);
  const exited = new Promise<ServerExit>((resolve) => {
    // `close` follows the last log line; `exit` may precede it.
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const timeoutMs = options.readyTimeoutMs ?? 60_000;
  const timeout = AbortSignal.timeout(timeoutMs);
  const outcome = await Promise.race([
    log.next(/ready to accept (read-only )?connections/).then(() => 'ready' as const),
    exited,
    once(timeout, 'abort').then(() => 'timeout' as const),
  ]);
  if (outcome === 'ready') return { child, pid: child.pid as number, exited };
  if (outcome === 'timeout') await stopChild(child, exited, stopSteps('immediate'));
  const what = outcome === 'timeout' ? `was not ready after ${timeoutMs} ms` : 'did not start';
  return {
    failure: postgresFailure(`Postgres on port ${options.port} ${what}`, options.dataDirectory, log.last()),
  };
}

/** A fast stop waits until every WAL receiver confirms; behind a dead network none ever does. */
function stopSteps(mode: 'fast' | 'immediate'): readonly StopStep[] {
  const immediate: StopStep = ['SIGQUIT', IMMEDIATE_STOP_MS];
  return mode === 'fast' ? [['SIGINT', FAST_STOP_MS], immediate] : [immediate];
}
