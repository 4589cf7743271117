import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { childEnvironment, type ServerExit, type StopStep, stopChild } from '../child-process.ts';
import { LogLines } from '../log-lines.ts';
import { type PostgresBinaries, usableBinaries } from './binaries.ts';
import { explainPostgresFailure } from './failure.ts';
import { initializeCluster, SUPERUSER } from './initialize.ts';
import { stopLeftoverPostmaster } from './leftover.ts';
import { resolveServerUser, type ServerUser } from './server-user.ts';

export interface PostgresOptions {
  /** Absolute; made when it is missing. Its parents have to be open to the account Postgres runs as. */
  dataDirectory: string;
  port: number;
  /** Counts when the cluster is made; a later start has to give the same. */
  superuserPassword: string;
  /** Server settings by name, such as `{ wal_level: 'logical' }`; they win over `defaultSettings`. */
  settings?: Readonly<Record<string, string>>;
  onLog?: (line: string) => void;
  /** Default: the caller, or as root what `resolveServerUser` finds. */
  user?: ServerUser | undefined;
  /** Default: what `usableBinaries` finds for that user. */
  binaries?: PostgresBinaries;
  readyTimeoutMs?: number;
}

export interface PostgresServer {
  readonly port: number;
  readonly pid: number;
  readonly dataDirectory: string;
  /** Whether this start made the cluster. */
  readonly isNew: boolean;
  /** Connection URL; the superuser and its password unless another user is named. */
  url(database?: string, user?: string, password?: string): string;
  /** Ends within ten seconds: fast (SIGINT), then immediate (SIGQUIT), then SIGKILL. May be called again. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
  /** Settles when the server is gone, for whatever reason; never rejects. */
  readonly exited: Promise<ServerExit>;
}

const defaultSettings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  lc_messages: 'C',
  log_destination: 'stderr',
  logging_collector: 'off',
  // A failing statement or row would carry password literals and secret hashes into the log.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
};

const FAST_STOP_MS = 4_000;
const IMMEDIATE_STOP_MS = 2_000;
const ORPHANS_GRACE_MS = 5_000;

/**
 * Starts a real Postgres on 127.0.0.1 and resolves once it accepts connections. A postmaster that a killed run
 * left on the same directory is stopped first; the cluster is made when the directory is empty.
 * @throws Error with the end of the server's log when it does not come up
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const user = options.user ?? (await resolveServerUser());
  const binaries = options.binaries ?? (await usableBinaries(user));
  const { dataDirectory, superuserPassword } = options;
  await stopLeftoverPostmaster(dataDirectory);
  const isNew = await initializeCluster(binaries, dataDirectory, superuserPassword, user);

  const retryUntil = performance.now() + ORPHANS_GRACE_MS;
  let launched = await launch(binaries, options, user);
  // Backends of a postmaster that was killed outright need a moment to notice and leave.
  while (
    'failure' in launched &&
    launched.failure.includes('shared memory block') &&
    performance.now() < retryUntil
  ) {
    launched = await launch(binaries, options, user);
  }
  if ('failure' in launched) throw new Error(launched.failure);

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

type Launched = { child: ChildProcess; pid: number; exited: Promise<ServerExit> } | { failure: string };

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
      cwd: '/', // ours may be closed to that user
      env: childEnvironment,
      stdio: ['ignore', 'ignore', 'pipe'],
      // A session of its own: Ctrl-C at the terminal reaches the supervisor only, which stops things in order.
      detached: true,
      ...(user ? { uid: user.uid, gid: user.gid } : {}),
    },
  );
  await once(child, 'spawn');
  const log = new LogLines(child.stderr, options.onLog);
  const exited = new Promise<ServerExit>((resolve) => {
    // `close` comes after the last log line, `exit` may not.
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
    failure: explainPostgresFailure(
      `Postgres on port ${options.port} ${what}`,
      options.dataDirectory,
      log.last(),
    ),
  };
}

/** A fast stop waits for every WAL receiver to confirm, which one behind a dead network never does. */
function stopSteps(mode: 'fast' | 'immediate'): readonly StopStep[] {
  const immediate: StopStep = ['SIGQUIT', IMMEDIATE_STOP_MS];
  return mode === 'fast' ? [['SIGINT', FAST_STOP_MS], immediate] : [immediate];
}
