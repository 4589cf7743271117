import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../dev/ports.ts';
import type { Bench } from './bench.ts';
import { type NodeChild, startNode } from './child.ts';
import { PREFIX } from './keys.ts';
import type { LoadedProcess } from './loaded-side.ts';
import { parseMetrics } from './metrics.ts';

const thisCheckout = fileURLToPath(new URL('../..', import.meta.url));

/** A regional service in a process of its own, pinned to the measured processor. */
export interface Regional extends LoadedProcess {
  managementPort: number;
  child: NodeChild;
  /** Values of `/metrics` by their line's name and labels. */
  metrics(): Promise<Map<string, number>>;
}

/**
 * Starts `iam regional` as an operator would, and waits until it is ready.
 *
 * @param options.checkout directory of the repository whose service is started, left out: this one
 */
export async function startRegional(
  bench: Bench,
  databaseUrl: string,
  options: { checkout?: string; env?: Record<string, string>; nodeArgs?: readonly string[] } = {},
): Promise<Regional> {
  const [port, managementPort] = [await freePort(), await freePort()];
  const child = startNode(join(options.checkout ?? thisCheckout, 'src/main.js'), {
    processors: bench.options.pinning?.server,
    args: ['regional'],
    nodeArgs: options.nodeArgs ?? [],
    env: {
      REPLICA_DATABASE_URL: databaseUrl,
      REGIONAL_PORT: String(port),
      MANAGEMENT_PORT: String(managementPort),
      CREDENTIAL_PREFIX: PREFIX,
      ...options.env,
    },
  });
  bench.defer(() => child.stop());
  await Promise.race([untilReady(managementPort), child.message()]);
  return {
    port,
    pid: child.pid,
    managementPort,
    child,
    metrics: async () =>
      parseMetrics(await (await fetch(`http://127.0.0.1:${managementPort}/metrics`)).text()),
  };
}

/** Asks `/readyz` until it says 200. */
async function untilReady(managementPort: number, everyMs = 10): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline) {
    const response = await fetch(`http://127.0.0.1:${managementPort}/readyz`).catch(() => undefined);
    if (response?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  throw new Error('the regional service was not ready after 30 s');
}
