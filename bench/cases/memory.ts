import type { Bench } from '../lib/bench.ts';
import { benchKeys, CHEAP_HASH } from '../lib/keys.ts';
import { tierShare } from '../lib/metrics.ts';
import { creatorOf, organizationOf, projectOf, roleAssignmentsOf } from '../lib/population.ts';
import { callProbe, probeNodeArgs } from '../lib/probe-client.ts';
import { createRegionDatabase, insertKeys } from '../lib/region-database.ts';
import { startRegional } from '../lib/regional.ts';
import { authenticateRequest } from '../lib/requests.ts';
import { absoluteRow, type Row } from '../lib/row.ts';
import { startBenchPostgres } from '../lib/servers.ts';

/** Capacity of the smaller cache. Its process uses twice as many keys in turn, so that each request misses. */
const FEW = 500;
const MANY = 100_000;
const CONNECTIONS = 32;
const SLICE = 10_000;
const HITS = 20_000;
const TARGET_BYTES = 1_024;

interface Usage {
  beforeCollection: NodeJS.MemoryUsage;
  afterCollection: NodeJS.MemoryUsage;
  /** Share of the final requests that were memory hits, 0 to 1. */
  memoryShare: number;
}

/**
 * Memory per warm key: the difference between a service that caches a hundred thousand keys and one that caches five
 * hundred, after garbage collection. Both run a hundred thousand verifications and then memory hits, so that the
 * difference excludes compiled code and load buffers. Each key has a record, a memo and a response in memory.
 * The keys belong to 200 organizations with 500 keys, twenty users and twenty sets of role assignments each.
 */
export async function memory(bench: Bench): Promise<Row[]> {
  bench.log(`${MANY.toLocaleString('en')} keys; the first run hashes them`);
  const keys = await benchKeys('memory', MANY, CHEAP_HASH);
  const database = await createRegionDatabase(await startBenchPostgres(bench));
  await database.fill((client) =>
    insertKeys(
      client,
      keys.map(({ id, secretHash }, index) => ({
        id,
        secretHash,
        organizationId: organizationOf(index),
        roleAssignments: roleAssignmentsOf(index),
        createdBy: creatorOf(index),
      })),
    ),
  );
  const requests = keys.map(({ authorization }, index) =>
    authenticateRequest(authorization, [projectOf(index)]),
  );
  const generator = bench.startGenerator();
  const usage = async (cacheEntries: number, population: readonly Uint8Array[]): Promise<Usage> => {
    const service = await startRegional(bench, database.url, {
      nodeArgs: probeNodeArgs,
      env: { CACHE_MAX_ENTRIES: String(cacheEntries) },
    });
    const load = { port: service.port, connections: CONNECTIONS };
    bench.log(
      `${MANY.toLocaleString('en')} verifications, cache of ${cacheEntries.toLocaleString('en')} keys`,
    );
    for (let first = 0; first < MANY; first += SLICE) {
      const from = first % population.length;
      const slice = population.slice(from, from + SLICE);
      const { statuses } = await generator.run({ ...load, requests: slice, count: SLICE });
      if (statuses['200'] !== SLICE)
        throw new Error(`not all requests succeeded: ${JSON.stringify(statuses)}`);
    }
    const before = await service.metrics();
    const verified = before.get('iam_argon2_run_seconds_count');
    if (verified !== MANY) throw new Error(`the service ran ${verified} verifications instead of ${MANY}`);
    const hits = population.slice(-Math.min(cacheEntries, HITS));
    await generator.run({ ...load, requests: hits, count: HITS });
    const memoryShare = tierShare(before, await service.metrics(), 'memory');
    return { ...(await callProbe<Omit<Usage, 'memoryShare'>>(service.child, 'memory')), memoryShare };
  };
  const few = await usage(FEW, requests.slice(0, 2 * FEW));
  const many = await usage(MANY, requests);

  const perKey = (of: (usage: NodeJS.MemoryUsage) => number) =>
    (of(many.afterCollection) - of(few.afterCollection)) / (MANY - FEW);
  const row = {
    case: 'memory',
    against: `same number of verifications, ${FEW} keys cached`,
    unit: 'B',
  };
  return [
    absoluteRow(
      {
        ...row,
        measure: 'heap and buffers per warm key, after collection',
        target: { bound: 'at most', value: TARGET_BYTES },
        notes: [
          `${(Math.min(few.memoryShare, many.memoryShare) * 100).toFixed(2)} % of the last ${HITS.toLocaleString('en')} calls answered from memory`,
          `with ${FEW.toLocaleString('en')} keys: ${summarize(few.afterCollection)}`,
          `with ${MANY.toLocaleString('en')} keys: ${summarize(many.afterCollection)}`,
          `resident before collection: ${mebibytes(few.beforeCollection.rss)} and ${mebibytes(many.beforeCollection.rss)}`,
        ],
      },
      [perKey(({ heapUsed, external }) => heapUsed + external)],
    ),
    absoluteRow(
      {
        ...row,
        measure: 'resident memory per warm key, after collection',
        target: { bound: 'at most', value: TARGET_BYTES },
      },
      [perKey(({ rss }) => rss)],
    ),
  ];
}

function summarize({ heapUsed, heapTotal, external, rss }: NodeJS.MemoryUsage): string {
  return `heap ${mebibytes(heapUsed)} of ${mebibytes(heapTotal)}, external ${mebibytes(external)}, resident ${mebibytes(rss)}`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
