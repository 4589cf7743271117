import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { pinnedCommand } from './pinning.ts';

/** A Node process of the benchmark. */
export interface NodeChild {
  process: ChildProcess;
  pid: number;
  /** Resolves with the next IPC message; rejects if the process exits first. */
  message<T>(): Promise<T>;
  /** Sends SIGTERM, and SIGKILL after ten seconds; resolves when the process has exited. */
  stop(): Promise<void>;
}

const STOP_TIMEOUT_MS = 10_000;

/**
 * Starts a script with the Node version of this process. The child exits with this process: all our scripts and `iam`
 * commands stop when the IPC channel closes.
 */
export function startNode(
  script: string,
  options: {
    processors?: string | undefined;
    nodeArgs?: readonly string[];
    args?: readonly string[];
    env?: Record<string, string>;
  } = {},
): NodeChild {
  const { command, args } = pinnedCommand(options.processors, process.execPath, [
    ...(options.nodeArgs ?? []),
    script,
    ...(options.args ?? []),
  ]);
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH ?? '', NODE_ENV: 'production', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
    detached: true, // Ctrl-C reaches only this process, which stops its children in order
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-4_000);
    });
  }
  let stopping = false;
  const exited = once(child, 'exit');
  const exitedEarly = exited.then(([code, signal]) => {
    throw new Error(`${script} exited early (${code ?? signal}):\n${output}`);
  });
  exitedEarly.catch((error: Error) => {
    if (!stopping) console.error(error.message);
  });
  return {
    process: child,
    pid: child.pid as number,
    message: async <T>() => ((await Promise.race([once(child, 'message'), exitedEarly])) as [T])[0],
    stop: async () => {
      stopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}
