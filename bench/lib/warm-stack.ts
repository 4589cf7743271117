import type { HashParameters } from '../../src/credential/hash.ts';
import type { Bench } from './bench.ts';
import { benchKeys, CHEAP_HASH } from './keys.ts';
import { projectRequest, viewerRow } from './one-project.ts';
import { createRegionDatabase, insertKeys } from './region-database.ts';
import { type Regional, startRegional } from './regional.ts';
import { sendRequest, type WireResponse } from './send-request.ts';
import { type BenchPostgres, startBenchPostgres } from './servers.ts';

/** A regional service with its database and keys. */
export interface WarmStack {
  postgres: BenchPostgres;
  service: Regional;
  /** One request per key. */
  requests: Buffer[];
  /** Response to the first request. */
  firstResponse: WireResponse;
}

/** Starts a regional service with cheaply hashed keys, each with the role `viewer` on the same project. */
export async function startWarmStack(
  bench: Bench,
  count: number,
  options: Parameters<typeof startRegional>[2] & { hash?: HashParameters; durable?: boolean } = {},
): Promise<WarmStack> {
  const postgres = await startBenchPostgres(bench, options);
  const database = await createRegionDatabase(postgres);
  const keys = await benchKeys('warm', count, options.hash ?? CHEAP_HASH);
  await database.fill((client) => insertKeys(client, keys.map(viewerRow)));
  const service = await startRegional(bench, database.url, options);
  const requests = keys.map(projectRequest);
  const firstResponse = await sendRequest(service.port, requests[0] as Buffer);
  if (firstResponse.status !== 200)
    throw new Error(`the service returned ${firstResponse.status}: ${firstResponse.body}`);
  return { postgres, service, requests, firstResponse };
}
