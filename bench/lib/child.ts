import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { pinned } from './pinning.ts';

/** A Node process that was started for a measurement. */
export interface NodeChild {
  process: ChildProcess;
  pid: number;
  /** The next message it sends; rejects when it ends first. */
  message<T>(): Promise<T>;
  /** SIGTERM, SIGKILL after ten seconds; resolves when it is gone. */
  stop(): Promise<void>;
}

const STOP_MS = 10_000;

/**
 * Starts a script with this very Node. The child ends with this process: it has an IPC channel to it, and all our
 * scripts (and `iam` commands) stop when the channel closes.
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
  const { command, args } = pinned(options.processors, process.execPath, [
    ...(options.nodeArgs ?? []),
    script,
    ...(options.args ?? []),
  ]);
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH ?? '', NODE_ENV: 'production', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
    detached: true, // Ctrl-C reaches this process only, which stops its children in order
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-4_000);
    });
  }
  let stopping = false;
  const exited = once(child, 'exit');
  const gone = exited.then(([code, signal]) => {
    throw new Error(`${script} ended early (${code ?? signal}):\n${output}`);
  });
  gone.catch((error: Error) => {
    if (!stopping) console.error(error.message);
  });
  return {
    process: child,
    pid: child.pid as number,
    message: async <T>() => ((await Promise.race([once(child, 'message'), gone])) as [T])[0],
    stop: async () => {
      stopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}
