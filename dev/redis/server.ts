import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, realpath } from 'node:fs/promises';
import {
  childEnvironment,
  type ServerExit,
  signalAndWait,
  stopChild,
  workingDirectoryOf,
} from '../child-process.ts';
import { LogLines } from '../log-lines.ts';
import { findRedisBinary } from './binary.ts';
import { pidFile, type RedisSettings, redisConfiguration } from './configuration.ts';

export interface RedisOptions extends RedisSettings {
  /** Further command-line arguments, such as `['--databases', '1']`. */
  args?: readonly string[];
  /** Default: the result of `findRedisBinary`. */
  binary?: string;
  onLog?: (line: string) => void;
  /** Default true, so that Ctrl-C reaches only the supervisor. */
  detached?: boolean;
}

export interface RedisServer {
  readonly port: number;
  readonly pid: number;
  /** Includes the password, if there is one. */
  readonly url: string;
  readonly exited: Promise<ServerExit>;
  /** Sends SIGTERM (Redis then writes the snapshot if it has a directory), and SIGKILL after five seconds. */
  stop(): Promise<void>;
  /** Sends SIGKILL: connections are reset and nothing is saved. */
  kill(): Promise<void>;
  /** Sends SIGSTOP: connections stay open and the kernel accepts new ones, but Redis sends no response. */
  pause(): void;
  /** Sends SIGCONT: Redis responds to everything that it received in the meantime. */
  resume(): void;
}

const STOP_MS = 5_000;
const READY_TIMEOUT_MS = 15_000;

/**
 * Starts Redis (or Valkey) on 127.0.0.1 and resolves when it accepts connections.
 * @throws Error when there is no binary, or with the last log lines when Redis does not start
 */
export async function startRedis(options: RedisOptions): Promise<RedisServer> {
  const { port, directory, password } = options;
  const binary = options.binary ?? (await findRedisBinary());
  if (!binary) throw new Error('Neither redis-server nor valkey-server is on the PATH.');
  if (directory) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await stopLeftoverRedis(directory);
  }
  const child = spawn(binary, ['-', ...(options.args ?? [])], {
    cwd: '/',
    env: childEnvironment,
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: options.detached ?? true,
  });
  await once(child, 'spawn');
  child.stdin.on('error', () => {}); // Redis exited before it read its configuration; `exited` reports that
  child.stdin.end(redisConfiguration(options));
  const log = new LogLines(child.stdout, options.onLog);
  const exited = new Promise<ServerExit>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  await untilReady(child, log, exited, port);

  return {
    port,
    pid: child.pid as number,
    url: `redis://${password ? `:${encodeURIComponent(password)}@` : ''}127.0.0.1:${port}`,
    exited,
    stop: async () => {
      child.kill('SIGCONT');
      await stopChild(child, exited, [['SIGTERM', STOP_MS]]);
    },
    kill: () => stopChild(child, exited, []),
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
  };
}

async function untilReady(
  child: ChildProcess,
  log: LogLines,
  exited: Promise<ServerExit>,
  port: number,
): Promise<void> {
  const outcome = await Promise.race([
    log.next(/ready to accept connections/i).then(() => 'ready' as const),
    exited,
    once(AbortSignal.timeout(READY_TIMEOUT_MS), 'abort').then(() => 'timeout' as const),
  ]);
  if (outcome === 'ready') return;
  await stopChild(child, exited, []);
  throw new Error(`Redis on port ${port} did not start. Its last log lines:\n${log.last()}`);
}

/** Stops a Redis that a killed run left on this directory. It signals only a process that works there. */
export async function stopLeftoverRedis(directory: string): Promise<void> {
  const pid = Number(await readFile(pidFile(directory), 'utf8').catch(() => ''));
  if (!Number.isSafeInteger(pid) || pid <= 1) return;
  const path = await realpath(directory);
  if ((await workingDirectoryOf(pid)) !== path) return;
  if (!(await signalAndWait(pid, 'SIGTERM', path, STOP_MS)))
    await signalAndWait(pid, 'SIGKILL', path, STOP_MS);
}
