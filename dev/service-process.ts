import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type ServerExit, startTimeOf, stopChild, workingDirectoryOf } from './child-process.ts';
import { writePrivateFile } from './private-file.ts';
import { logTail } from './service-log.ts';

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
  /** Resolves when `/readyz` says so. @throws Error with the end of the log, or with what it is waiting for */
  ready(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts one of our own services as a process of its own. The channel between us closes when this process ends,
 * however that happens, and the service stops then.
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
  let obstacle = 'no answer yet';
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
      // It does not listen yet.
    }
  }
  throw new Error(`The ${options.name} was not ready after ${READY_TIMEOUT_MS} ms: ${obstacle}`);
}

/** Ends a service whose supervisor was killed; most have noticed that themselves by now. */
export async function stopLeftoverService(pidFile: string): Promise<void> {
  const [pid = '', ...startTime] = (await readFile(pidFile, 'utf8').catch(() => '')).trim().split(' ');
  // A zombie has a start time still, and no working directory any more.
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
      } catch {} // it went meanwhile
    }
  }
  await rm(pidFile, { force: true });
}
