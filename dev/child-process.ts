import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFile, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Environment of every child: without PG* variables, which would configure a server, and without credentials. */
export const childEnvironment: NodeJS.ProcessEnv = {
  PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
};

export interface CommandResult {
  exitCode: number | null;
  output: string;
}

/** Runs a command in `/` until it exits, optionally as another user; `output` joins stdout and stderr. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: { uid?: number; gid?: number; env?: NodeJS.ProcessEnv } = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: '/',
      env: childEnvironment,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.once('error', reject);
    child.once('close', (exitCode) => resolve({ exitCode, output: output.trim() }));
  });
}

/**
 * Returns the working directory of a running process, undefined if there is none (a zombie has none either).
 * Postgres and Redis work in their data directory, so this identifies the server behind a recorded pid.
 */
export async function workingDirectoryOf(pid: number): Promise<string | undefined> {
  try {
    if (process.platform === 'linux') return await readlink(`/proc/${pid}/cwd`);
    const { stdout } = await run('lsof', ['-a', '-d', 'cwd', '-p', String(pid), '-Fn']);
    return /^n(.+)$/m.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}

/** Returns the start time of a running process as an opaque text. With the pid it identifies a process uniquely. */
export async function startTimeOf(pid: number): Promise<string | undefined> {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  try {
    if (process.platform === 'linux') {
      // proc_pid_stat(5): field 22 is the start time; field 2, a name in parentheses, may contain spaces.
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    }
    return (await run('ps', ['-o', 'lstart=', '-p', String(pid)])).stdout.trim();
  } catch {
    return undefined;
  }
}

/** Sends `signal` and waits until the process no longer works in `directory`; returns false on a timeout. */
export async function signalAndWait(
  pid: number,
  signal: NodeJS.Signals,
  directory: string,
  timeoutMs: number,
): Promise<boolean> {
  try {
    process.kill(pid, signal);
  } catch {
    return true;
  }
  // The process is not a child of this one, so there is no exit event.
  for (const end = performance.now() + timeoutMs; performance.now() < end; await sleep(20)) {
    if ((await workingDirectoryOf(pid)) !== directory) return true;
  }
  return false;
}

export interface ServerExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A signal and the time that the process has before the next signal. */
export type StopStep = readonly [signal: NodeJS.Signals, graceMs: number];

const KILL_GRACE_MS = 3_000;

/** Sends the signals in order, SIGKILL last, until the child has exited. Returns at once if it has exited already. */
export async function stopChild(
  child: ChildProcess,
  exited: Promise<ServerExit>,
  steps: readonly StopStep[],
): Promise<void> {
  for (const [signal, graceMs] of [...steps, ['SIGKILL', KILL_GRACE_MS] as const]) {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<'timeout'>((resolve) => {
      timer = setTimeout(resolve, graceMs, 'timeout');
    });
    const first = await Promise.race([exited, timeout]);
    clearTimeout(timer);
    if (first !== 'timeout') return;
  }
}
