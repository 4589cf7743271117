import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseEnv, promisify } from 'node:util';
import { createScratchDirectory } from './servers/postgres.ts';

const run = promisify(execFile);
const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

/** A separate project folder, like a clone, with its own state. */
export interface DevProject {
  directory: string;
  /** Runs `npm start` with these arguments; resolves when the process runs. */
  start(...args: string[]): Promise<DevRun>;
  /** Runs a line as if it were pasted into a shell. */
  paste(line: string): Promise<string>;
  state(file: string): Promise<string>;
  demo(): Promise<Record<string, string>>;
  remove(): Promise<void>;
}

/** A running `npm start`. */
export interface DevRun {
  npmPid: number;
  /** All output so far. */
  output(): string;
  /** Resolves with the first line that matches. @throws Error with all output when it ends before */
  line(pattern: RegExp): Promise<string>;
  /** Pids of all its current processes, including npm. */
  processes(): Promise<number[]>;
  /** Resolves when npm has exited and its output is closed. */
  exited: Promise<number | null>;
  /** Sends SIGKILL to the supervisor behind npm, which cannot stop its servers. Resolves when npm has exited. */
  killSupervisor(): Promise<void>;
  /** Sends SIGTERM to npm and waits for its exit; idempotent. */
  stop(): Promise<void>;
}

export async function createDevProject(): Promise<DevProject> {
  const directory = join(await createScratchDirectory('dev'), 'project');
  await mkdir(directory);
  for (const name of ['package.json', 'dev', 'src', 'migrations']) {
    await cp(join(PROJECT, name), join(directory, name), { recursive: true });
  }
  await symlink(join(PROJECT, 'node_modules'), join(directory, 'node_modules'));
  const state = (file: string) => readFile(join(directory, '.iam', file), 'utf8');
  return {
    directory,
    state,
    start: async (...args) => observe(spawn('npm', ['start', '--', ...args], { cwd: directory })),
    paste: async (line) => (await run('/bin/sh', ['-c', line], { cwd: directory })).stdout,
    demo: async () => parseEnv(await state('demo.env')) as Record<string, string>,
    remove: () => rm(join(directory, '..'), { recursive: true, force: true }),
  };
}

async function observe(child: ChildProcess): Promise<DevRun> {
  const exited = once(child, 'close').then(([code]) => code as number | null);
  let output = '';
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      for (const listener of listeners) listener();
    });
  }
  // Vitest may exit in the middle of a test.
  const kill = () => void child.kill('SIGTERM');
  process.once('exit', kill);
  void exited.then(() => process.off('exit', kill));
  await once(child, 'spawn');
  const npmPid = child.pid as number;
  return {
    npmPid,
    exited,
    output: () => output,
    line: async (pattern) => {
      let look = () => {};
      const seen = new Promise<string>((resolve) => {
        look = () => {
          const found = output.split('\n').find((line) => pattern.test(line));
          if (found !== undefined) resolve(found);
        };
        listeners.add(look);
        look();
      });
      const ended = exited.then(() => {
        throw new Error(`npm start exited before it wrote ${pattern}:\n${output}`);
      });
      return Promise.race([seen, ended]).finally(() => listeners.delete(look));
    },
    killSupervisor: async () => {
      const npmExited = once(child, 'exit');
      const supervisor = (await processTable()).find(({ ppid }) => ppid === npmPid);
      process.kill(supervisor?.pid as number, 'SIGKILL');
      await npmExited;
    },
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
    },
    processes: async () => descendants(npmPid, await processTable()),
  };
}

interface ProcessEntry {
  pid: number;
  ppid: number;
}

async function processTable(): Promise<ProcessEntry[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid=']);
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .map(([pid = 0, ppid = 0]) => ({ pid, ppid }));
}

function descendants(pid: number, table: readonly ProcessEntry[]): number[] {
  const children = table.filter((entry) => entry.ppid === pid);
  return [pid, ...children.flatMap((child) => descendants(child.pid, table))];
}

/** Returns those of the processes that still run. */
export async function stillRunning(pids: readonly number[]): Promise<number[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,stat=']);
  const running = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, stat]) => !stat?.startsWith('Z'))
    .map(([pid]) => Number(pid));
  return pids.filter((pid) => running.includes(pid));
}

/** Resolves when all these processes have exited. */
export async function untilGone(pids: readonly number[]): Promise<void> {
  while ((await stillRunning(pids)).length > 0) await sleep(20);
}
