import type { HashParameters } from '../../src/credential/hash.ts';
import type { Bench } from './bench.ts';
import { exchange, type WireAnswer } from './exchange.ts';
import { benchKeys, CHEAP_HASH } from './keys.ts';
import { projectRequest, viewerRow } from './one-project.ts';
import { createRegionDatabase, insertKeys } from './region-database.ts';
import { type Regional, startRegional } from './regional.ts';
import { type BenchPostgres, startBenchPostgres } from './servers.ts';

/** A service, and keys that it can answer for. */
export interface WarmWorld {
  postgres: BenchPostgres;
  service: Regional;
  /** One call of each key. */
  requests: Buffer[];
  /** What the first of them is answered. */
  answer: WireAnswer;
}

/** A regional service over a database of cheap keys, each `viewer` on the same project. */
export async function warmWorld(
  bench: Bench,
  count: number,
  options: Parameters<typeof startRegional>[2] & { hash?: HashParameters; durable?: boolean } = {},
): Promise<WarmWorld> {
  const postgres = await startBenchPostgres(bench, options);
  const database = await createRegionDatabase(postgres);
  const keys = await benchKeys('warm', count, options.hash ?? CHEAP_HASH);
  await database.fill((client) => insertKeys(client, keys.map(viewerRow)));
  const service = await startRegional(bench, database.url, options);
  const requests = keys.map(projectRequest);
  const answer = await exchange(service.port, requests[0] as Buffer);
  if (answer.status !== 200) throw new Error(`the service answered ${answer.status}: ${answer.body}`);
  return { postgres, service, requests, answer };
}
