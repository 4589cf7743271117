import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../dev/ports.ts';
import { AUTHENTICATE_PATH } from '../../src/regional/authentication-call.ts';
import type { Bench } from './bench.ts';
import { startNode } from './child.ts';
import type { LoadedProcess } from './loaded-side.ts';

const benchDirectory = fileURLToPath(new URL('..', import.meta.url));

/** A bare process that something is compared with. */
export interface Baseline extends LoadedProcess {
  /** What it said when it came up. */
  announcement: unknown;
  /** Sends it a message and gives the next one that comes back. */
  ask<T>(question: object): Promise<T>;
  stop(): Promise<void>;
}

/** Starts a script (relative to `bench/`), pinned like the measured service; resolves when it says that it is up. */
export async function startBaseline(
  bench: Bench,
  script: string,
  env: Record<string, string> = {},
): Promise<Baseline> {
  const port = await freePort();
  const child = startNode(resolve(benchDirectory, script), {
    processors: bench.options.pinning?.server,
    env: { PORT: String(port), PATH_TO_ANSWER: AUTHENTICATE_PATH, ...env },
  });
  bench.defer(() => child.stop());
  const announcement = await child.message();
  return {
    announcement,
    port,
    pid: child.pid,
    ask: async <T>(question: object) => {
      const reply = child.message<T>();
      child.process.send(question);
      return await reply;
    },
    stop: () => child.stop(),
  };
}
