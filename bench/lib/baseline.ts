import { fileURLToPath } from 'node:url';
import { freePort } from '../../src/dev/ports.ts';
import { AUTHENTICATE_PATH } from '../../src/regional/authentication-path.ts';
import type { Bench } from './bench.ts';
import { startNode } from './child.ts';
import type { LoadedProcess } from './loaded-side.ts';

/** A script of `bench/baselines`, pinned like the measured service. */
export async function startBaseline(
  bench: Bench,
  script: string,
  env: Record<string, string> = {},
): Promise<LoadedProcess & { stop(): Promise<void> }> {
  const port = await freePort();
  const child = startNode(fileURLToPath(new URL(`../baselines/${script}.ts`, import.meta.url)), {
    processors: bench.options.pinning?.server,
    env: { PORT: String(port), PATH_TO_ANSWER: AUTHENTICATE_PATH, ...env },
  });
  bench.defer(() => child.stop());
  await child.message();
  return { port, pid: child.pid, stop: () => child.stop() };
}
