import { ask, probed } from '../lib/ask.ts';
import type { Bench } from '../lib/bench.ts';
import { benchKeys, CHEAP_HASH } from '../lib/keys.ts';
import { tierShare } from '../lib/metrics.ts';
import { assignmentShape, creatorOf, organizationOf, projectOf } from '../lib/population.ts';
import { createRegionDatabase, insertKeys } from '../lib/region-database.ts';
import { startRegional } from '../lib/regional.ts';
import { authenticateRequest } from '../lib/requests.ts';
import { absoluteRow, type Row } from '../lib/row.ts';
import { startBenchPostgres } from '../lib/servers.ts';

/** Keys that the smaller process keeps. It sees twice as many in turn, so that it never finds one again. */
const FEW = 500;
const MANY = 100_000;
const CONNECTIONS = 32;
const SLICE = 10_000;
const HITS = 20_000;
const TARGET_BYTES = 1_024;

interface Usage {
  asTheLoadLeftIt: NodeJS.MemoryUsage;
  collected: NodeJS.MemoryUsage;
  /** Of the hits at the end, from memory. */
  share: number;
}

/**
 * What a warm key takes: a service that keeps a hundred thousand of them against one that keeps five hundred, after
 * garbage collection. Both have verified a hundred thousand times and then answered from memory: code that has been
 * compiled, and buffers that grow with the load, are not what a key takes. Each key has a record, a memo and an answer.
 * 200 organizations of 500 keys, twenty users who made them, twenty shapes of role assignments.
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
        roleAssignments: assignmentShape(index),
        createdBy: creatorOf(index),
      })),
    ),
  );
  const requests = keys.map(({ authorization }, index) =>
    authenticateRequest(authorization, [projectOf(index)]),
  );
  const generator = bench.generator();
  const usage = async (kept: number, population: readonly Uint8Array[]): Promise<Usage> => {
    const service = await startRegional(bench, database.url, {
      nodeArgs: probed,
      env: { CACHE_MAX_ENTRIES: String(kept) },
    });
    const load = { port: service.port, connections: CONNECTIONS };
    bench.log(
      `${MANY.toLocaleString('en')} verifications, of which ${kept.toLocaleString('en')} keys are kept`,
    );
    for (let first = 0; first < MANY; first += SLICE) {
      const from = first % population.length;
      const slice = population.slice(from, from + SLICE);
      const { statuses } = await generator.run({ ...load, requests: slice, count: SLICE });
      if (statuses['200'] !== SLICE) throw new Error(`not all were answered: ${JSON.stringify(statuses)}`);
    }
    const before = await service.metrics();
    const verified = before.get('iam_argon2_run_seconds_count');
    if (verified !== MANY) throw new Error(`${verified} were verified instead of ${MANY}`);
    const hits = population.slice(-Math.min(kept, HITS));
    await generator.run({ ...load, requests: hits, count: HITS });
    const share = tierShare(before, await service.metrics(), 'memory');
    return { ...(await ask<Omit<Usage, 'share'>>(service.child, 'memory')), share };
  };
  const few = await usage(FEW, requests.slice(0, 2 * FEW));
  const many = await usage(MANY, requests);

  const perKey = (of: (usage: NodeJS.MemoryUsage) => number) =>
    (of(many.collected) - of(few.collected)) / (MANY - FEW);
  const row = {
    case: 'memory',
    against: `as many verifications, ${FEW} keys kept`,
    unit: 'B',
  };
  return [
    absoluteRow(
      {
        ...row,
        measure: 'a warm key on the heap and in buffers, after collection',
        target: { bound: 'at most', value: TARGET_BYTES },
        notes: [
          `${(Math.min(few.share, many.share) * 100).toFixed(2)} % of the last ${HITS.toLocaleString('en')} calls answered from memory`,
          `with ${FEW.toLocaleString('en')} keys: ${told(few.collected)}`,
          `with ${MANY.toLocaleString('en')} keys: ${told(many.collected)}`,
          `resident as the load left it, before any collection: ${mebibytes(few.asTheLoadLeftIt.rss)} and ${mebibytes(many.asTheLoadLeftIt.rss)}`,
        ],
      },
      [perKey(({ heapUsed, external }) => heapUsed + external)],
    ),
    absoluteRow(
      {
        ...row,
        measure: 'a warm key in resident memory, after collection',
        target: { bound: 'at most', value: TARGET_BYTES },
      },
      [perKey(({ rss }) => rss)],
    ),
  ];
}

function told({ heapUsed, heapTotal, external, rss }: NodeJS.MemoryUsage): string {
  return `heap ${mebibytes(heapUsed)} of ${mebibytes(heapTotal)}, outside of it ${mebibytes(external)}, resident ${mebibytes(rss)}`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
