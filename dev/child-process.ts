import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFile, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What a child gets of our environment: no PG* variable may steer a server, and no credential of ours may reach it. */
export const childEnvironment: NodeJS.ProcessEnv = {
  PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
};

export interface CommandResult {
  exitCode: number | null;
  output: string;
}

/** Runs a command to its end from `/`, optionally as another user; stdout and stderr come back as one text. */
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
 * Working directory of a live process, undefined when there is no such process (a zombie has none either).
 * Postgres and Redis both change into their data directory, so this tells whose server a recorded pid is now.
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

/** When a live process began, as an opaque text; with the pid it names a process for good. Undefined when there is none. */
export async function startTimeOf(pid: number): Promise<string | undefined> {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  try {
    if (process.platform === 'linux') {
      // proc_pid_stat(5): field 22 is the start time; field 2, a name in parentheses, may hold spaces.
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    }
    return (await run('ps', ['-o', 'lstart=', '-p', String(pid)])).stdout.trim();
  } catch {
    return undefined;
  }
}

/** Sends `signal` and waits until the process no longer works in `directory`; false when the time ran out. */
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
  // It is nobody's child any more, so there is no exit event to await.
  for (const end = performance.now() + timeoutMs; performance.now() < end; await sleep(20)) {
    if ((await workingDirectoryOf(pid)) !== directory) return true;
  }
  return false;
}

export interface ServerExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A signal and how long the process may take before the next one. */
export type StopStep = readonly [signal: NodeJS.Signals, graceMs: number];

const KILL_GRACE_MS = 3_000;

/** Signals a child step by step, SIGKILL last, until it is gone. Returns at once when it is gone already. */
export async function stopChild(
  child: ChildProcess,
  exited: Promise<ServerExit>,
  steps: readonly StopStep[],
): Promise<void> {
  for (const [signal, graceMs] of [...steps, ['SIGKILL', KILL_GRACE_MS] as const]) {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, graceMs, 'late');
    });
    const first = await Promise.race([exited, late]);
    clearTimeout(timer);
    if (first !== 'late') return;
  }
}
