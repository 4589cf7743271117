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

const FEW = 1_000;
const MANY = 100_000;
const CONNECTIONS = 32;
const SLICE = 10_000;
const HITS = 20_000;
const TARGET_BYTES = 1_024;

interface Usage {
  asTheLoadLeftIt: NodeJS.MemoryUsage;
  collected: NodeJS.MemoryUsage;
}

/**
 * What one more warm key takes: a service with a hundred thousand of them against the same process with a thousand,
 * after garbage collection. Each key has a record, a memo and an answer in memory. 200 organizations of 500 keys,
 * twenty users who made them, twenty shapes of role assignments.
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
  const service = await startRegional(bench, database.url, { nodeArgs: probed });
  const generator = bench.generator();
  const load = { port: service.port, connections: CONNECTIONS };
  const warm = async (from: number, to: number) => {
    for (let first = from; first < to; first += SLICE) {
      const slice = requests.slice(first, Math.min(first + SLICE, to));
      const { statuses } = await generator.run({ ...load, requests: slice, count: slice.length });
      if (statuses['200'] !== slice.length)
        throw new Error(`not all were answered: ${JSON.stringify(statuses)}`);
    }
  };

  await warm(0, FEW);
  // Code that has been compiled, and buffers that grow with the load, are not what a key takes.
  await generator.run({ ...load, requests: requests.slice(0, FEW), count: HITS });
  const few = await ask<Usage>(service.child, 'memory');
  bench.log('warming a hundred thousand keys');
  await warm(FEW, MANY);
  const before = await service.metrics();
  await generator.run({ ...load, requests: requests.slice(MANY - HITS), count: HITS });
  const share = tierShare(before, await service.metrics(), 'memory');
  const many = await ask<Usage>(service.child, 'memory');

  const perKey = (of: (usage: NodeJS.MemoryUsage) => number) =>
    (of(many.collected) - of(few.collected)) / (MANY - FEW);
  const row = {
    case: 'memory',
    against: `the same process with ${FEW.toLocaleString('en')} keys`,
    unit: 'B',
  };
  return [
    absoluteRow(
      {
        ...row,
        measure: 'a warm key on the heap and in buffers, after collection',
        target: { bound: 'at most', value: TARGET_BYTES },
        notes: [
          `${(share * 100).toFixed(2)} % of the last ${HITS.toLocaleString('en')} calls answered from memory`,
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
