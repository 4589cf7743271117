import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../dev/ports.ts';
import type { Bench } from './bench.ts';
import { type NodeChild, startNode } from './child.ts';
import { PREFIX } from './keys.ts';
import type { LoadedProcess } from './loaded-side.ts';
import { parseMetrics } from './metrics.ts';

const THIS_CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));

/** A regional service in a separate process on the measured processor. */
export interface Regional extends LoadedProcess {
  managementPort: number;
  child: NodeChild;
  /** Values of `/metrics` by name and labels, as written. */
  metrics(): Promise<Map<string, number>>;
}

/**
 * Starts `iam regional` like an operator and waits until the service is ready.
 *
 * @param options.checkout directory of the checkout whose service to start; default: this checkout
 */
export async function startRegional(
  bench: Bench,
  databaseUrl: string,
  options: { checkout?: string; env?: Record<string, string>; nodeArgs?: readonly string[] } = {},
): Promise<Regional> {
  const [port, managementPort] = [await freePort(), await freePort()];
  const child = startNode(join(options.checkout ?? THIS_CHECKOUT, 'src/main.js'), {
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
  await Promise.race([waitUntilReady(managementPort), child.message()]);
  return {
    port,
    pid: child.pid,
    managementPort,
    child,
    metrics: async () =>
      parseMetrics(await (await fetch(`http://127.0.0.1:${managementPort}/metrics`)).text()),
  };
}

/** Polls `/readyz` until it returns 200. */
async function waitUntilReady(managementPort: number, everyMs = 10): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline) {
    const response = await fetch(`http://127.0.0.1:${managementPort}/readyz`).catch(() => undefined);
    if (response?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  throw new Error('the regional service was not ready after 30 s');
}
