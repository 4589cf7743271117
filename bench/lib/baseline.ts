import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../dev/ports.ts';
import { AUTHENTICATE_PATH } from '../../src/regional/authentication-call.ts';
import type { Bench } from './bench.ts';
import { startNode } from './child.ts';
import type { LoadedProcess } from './loaded-side.ts';

const benchDirectory = fileURLToPath(new URL('..', import.meta.url));

/** A bare process that serves as the baseline of a comparison. */
export interface Baseline extends LoadedProcess {
  /** The first IPC message of the process. */
  readyMessage: unknown;
  /** Sends an IPC message and returns the next message of the process. */
  request<T>(message: object): Promise<T>;
  stop(): Promise<void>;
}

/** Starts a script (path relative to `bench/`) on the processor of the measured service; resolves on its first message. */
export async function startBaseline(
  bench: Bench,
  script: string,
  env: Record<string, string> = {},
): Promise<Baseline> {
  const port = await freePort();
  const child = startNode(resolve(benchDirectory, script), {
    processors: bench.options.pinning?.server,
    env: { PORT: String(port), ROUTE_PATH: AUTHENTICATE_PATH, ...env },
  });
  bench.defer(() => child.stop());
  const readyMessage = await child.message();
  return {
    readyMessage,
    port,
    pid: child.pid,
    request: async <T>(message: object) => {
      const reply = child.message<T>();
      child.process.send(message);
      return await reply;
    },
    stop: () => child.stop(),
  };
}
