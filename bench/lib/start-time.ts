import { freePort } from '../../dev/ports.ts';
import type { Bench } from './bench.ts';
import { startNode } from './child.ts';
import { cpuSeconds } from './cpu-time.ts';
import { PREFIX } from './keys.ts';
import { untilAnswered } from './until-answered.ts';

/** What a start took. */
export interface Started {
  ms: number;
  cpuMs: number;
}

const READY = Buffer.from('GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n');

/** From the start of a regional service to the first 200 of `/readyz`. */
export async function timeToReady(bench: Bench, main: string, databaseUrl: string): Promise<Started> {
  const [port, managementPort] = [await freePort(), await freePort()];
  return await timeToAnswer(bench, main, {
    port: managementPort,
    request: READY,
    args: ['regional'],
    env: {
      REPLICA_DATABASE_URL: databaseUrl,
      REGIONAL_PORT: String(port),
      MANAGEMENT_PORT: String(managementPort),
      CREDENTIAL_PREFIX: PREFIX,
    },
  });
}

/** From the start of a script to the first 200 that it answers to a request. The process is stopped then. */
export async function timeToAnswer(
  bench: Bench,
  script: string,
  how: { port: number; request: Buffer; args?: readonly string[]; env: Record<string, string> },
): Promise<Started> {
  const startedAtMs = performance.now();
  const { args = [], env } = how;
  const child = startNode(script, { processors: bench.options.pinning?.server, args, env });
  try {
    await untilAnswered(how.port, how.request);
    return { ms: performance.now() - startedAtMs, cpuMs: (await cpuSeconds(child.pid)) * 1_000 };
  } finally {
    await child.stop();
  }
}
