import { freePort } from '../../dev/ports.ts';
import type { Bench } from './bench.ts';
import { startNode } from './child.ts';
import { cpuSeconds } from './cpu-time.ts';
import { PREFIX } from './keys.ts';
import { sendRequest } from './send-request.ts';

/** Elapsed time and processor time of a start. */
export interface StartDuration {
  ms: number;
  cpuMs: number;
}

const POLL_INTERVAL_MS = 2;
const READY_TIMEOUT_MS = 30_000;
const READY_REQUEST = Buffer.from('GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n');

/** Measures from the start of a regional service to the first 200 of `/readyz`. */
export async function timeToReady(bench: Bench, main: string, databaseUrl: string): Promise<StartDuration> {
  const [port, managementPort] = [await freePort(), await freePort()];
  return await timeToFirstResponse(bench, main, {
    port: managementPort,
    request: READY_REQUEST,
    args: ['regional'],
    env: {
      REPLICA_DATABASE_URL: databaseUrl,
      REGIONAL_PORT: String(port),
      MANAGEMENT_PORT: String(managementPort),
      CREDENTIAL_PREFIX: PREFIX,
    },
  });
}

/** Measures from the start of a script to its first 200 response, then stops the process. */
export async function timeToFirstResponse(
  bench: Bench,
  script: string,
  options: { port: number; request: Buffer; args?: readonly string[]; env: Record<string, string> },
): Promise<StartDuration> {
  const startedAtMs = performance.now();
  const { args = [], env } = options;
  const child = startNode(script, { processors: bench.options.pinning?.server, args, env });
  try {
    await waitUntilReady(options.port, options.request);
    return { ms: performance.now() - startedAtMs, cpuMs: (await cpuSeconds(child.pid)) * 1_000 };
  } finally {
    await child.stop();
  }
}

/** Repeats the request until the response has status 200. */
async function waitUntilReady(port: number, request: Uint8Array): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (performance.now() < deadline) {
    const response = await sendRequest(port, request).catch(() => undefined);
    if (response?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
  throw new Error(`port ${port} did not respond with 200 within ${READY_TIMEOUT_MS / 1_000} s`);
}
