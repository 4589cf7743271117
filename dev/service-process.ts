import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type ServerExit, startTimeOf, stopChild, workingDirectoryOf } from './child-process.ts';
import { logTail } from './log-files.ts';
import { writePrivateFile } from './private-file.ts';

const MAIN = fileURLToPath(new URL('../src/main.js', import.meta.url));
const STOP_MS = 4_000;
const READY_TIMEOUT_MS = 30_000;
const READY_POLL_MS = 25;

export interface ServiceOptions {
  /** For messages: `control plane`. */
  name: string;
  /** Command of `iam`. */
  command: 'regional' | 'control-plane';
  env: NodeJS.ProcessEnv;
  managementUrl: string;
  logFile: string;
  pidFile: string;
}

export interface ServiceProcess {
  pid: number;
  exited: Promise<ServerExit>;
  /** Resolves when `/readyz` succeeds. @throws Error with the last log lines, or with the last response of `/readyz` */
  ready(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts the regional service or the control plane as a child process. The IPC channel closes when this process exits
 * for any reason, and the service then stops.
 */
export async function startService(options: ServiceOptions): Promise<ServiceProcess> {
  await stopLeftoverService(options.pidFile);
  const log = await open(options.logFile, 'w', 0o600);
  const child = spawn(process.execPath, [MAIN, options.command], {
    cwd: '/',
    env: options.env,
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
    detached: true, // Ctrl-C at the terminal reaches the supervisor only
  });
  try {
    await once(child, 'spawn');
  } finally {
    await log.close();
  }
  const pid = child.pid as number;
  const exited = new Promise<ServerExit>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  await writePrivateFile(options.pidFile, `${pid} ${await startTimeOf(pid)}\n`);
  return {
    pid,
    exited,
    ready: () => untilReady(options, exited),
    stop: async () => {
      await stopChild(child, exited, [['SIGTERM', STOP_MS]]);
      await rm(options.pidFile, { force: true });
    },
  };
}

async function untilReady(options: ServiceOptions, exited: Promise<ServerExit>): Promise<void> {
  let ended = false;
  void exited.then(() => {
    ended = true;
  });
  let obstacle = 'no response yet';
  for (
    const end = performance.now() + READY_TIMEOUT_MS;
    performance.now() < end;
    await sleep(READY_POLL_MS)
  ) {
    if (ended) throw new Error(`The ${options.name} did not start:\n${await logTail(options.logFile)}`);
    try {
      const response = await fetch(`${options.managementUrl}/readyz`, { signal: AbortSignal.timeout(2_000) });
      obstacle = await response.text();
      if (response.ok) return;
    } catch {
      // The service does not listen yet.
    }
  }
  throw new Error(`The ${options.name} was not ready after ${READY_TIMEOUT_MS} ms: ${obstacle}`);
}

/** Stops a service of a killed supervisor, if it has not stopped by itself yet. */
export async function stopLeftoverService(pidFile: string): Promise<void> {
  const [pid = '', ...startTime] = (await readFile(pidFile, 'utf8').catch(() => '')).trim().split(' ');
  // A zombie has a start time but no working directory.
  const runs = async () =>
    pid !== '' &&
    (await startTimeOf(Number(pid))) === startTime.join(' ') &&
    (await workingDirectoryOf(Number(pid))) !== undefined;
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    for (
      const end = performance.now() + STOP_MS;
      (await runs()) && performance.now() < end;
      await sleep(20)
    ) {
      try {
        process.kill(Number(pid), signal);
      } catch {} // exited in the meantime
    }
  }
  await rm(pidFile, { force: true });
}
