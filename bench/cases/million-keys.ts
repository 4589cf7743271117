import pg from 'pg';
import { KEY_COLUMNS } from '../../src/keys/key-row.ts';
import type { Bench } from '../lib/bench.ts';
import { fillWithManyKeys, manyKeyAuthorization, manyKeyId } from '../lib/many-keys.ts';
import { tierShare } from '../lib/metrics.ts';
import { projectRequest } from '../lib/one-project.ts';
import { alternate } from '../lib/pairs.ts';
import { createRegionDatabase, type RegionDatabase } from '../lib/region-database.ts';
import { startRegional } from '../lib/regional.ts';
import { pairedRow, type Row } from '../lib/row.ts';
import { type BenchPostgres, startBenchPostgres } from '../lib/servers.ts';

const MANY = 1_000_000;
const FEW = 1_000;
/** Keys per measurement; the service caches far fewer. */
const REQUEST_KEYS = 20_000;
const ENTRIES_IN_MEMORY = 16;
const LOOKUPS = 5_000;

/**
 * Compares a cold request with a million keys in the table with one with a thousand. One connection and the smallest
 * argon2 parameters make the lookup visible in the request time. The second row is the lookup without the service: the
 * same prepared statement from a bare `pg` client.
 */
export async function millionKeys(bench: Bench): Promise<Row[]> {
  const postgres = await startBenchPostgres(bench);
  const many = await database(postgres, MANY);
  const few = await database(postgres, FEW);
  return [await viaService(), await lookupOnly()];

  async function database(on: BenchPostgres, count: number) {
    bench.log(`filling a table with ${count.toLocaleString('en')} keys`);
    const region = await createRegionDatabase(on);
    await fillWithManyKeys(region, count);
    return { region, count };
  }

  async function viaService(): Promise<Row> {
    const generator = bench.startGenerator();
    const side = async ({ region, count }: { region: RegionDatabase; count: number }) => {
      const service = await startRegional(bench, region.url, {
        env: { CACHE_MAX_ENTRIES: String(ENTRIES_IN_MEMORY) },
      });
      const requests = sampleKeyNumbers(count, REQUEST_KEYS).map((n) =>
        projectRequest({ authorization: manyKeyAuthorization(n) }),
      );
      const run = () =>
        generator.run({ port: service.port, requests, connections: 1, seconds: bench.options.seconds });
      await run();
      return { run, service };
    };
    const [ofMany, ofFew] = [await side(many), await side(few)];
    const before = await ofMany.service.metrics();
    const pairs = await alternate(bench.options.pairs, ofMany.run, ofFew.run, ({ subject, baseline }) =>
      bench.log(`p50 ${subject.latencyMs.p50.toFixed(3)} ms against ${baseline.latencyMs.p50.toFixed(3)} ms`),
    );
    const share = tierShare(before, await ofMany.service.metrics(), 'postgres');
    return pairedRow(
      {
        case: 'million-keys',
        measure: 'median time per cold call, 1,000,000 keys',
        against: '1,000 keys',
        unit: 'ms',
        target: { bound: 'at most', value: 1.2 },
        notes: [`${(share * 100).toFixed(2)} % answered from Postgres; argon2id m=8 t=1 p=1`],
      },
      pairs.map(({ subject, baseline }) => ({
        subject: subject.latencyMs.p50,
        baseline: baseline.latencyMs.p50,
      })),
    );
  }

  async function lookupOnly(): Promise<Row> {
    const side = async ({ region, count }: { region: RegionDatabase; count: number }) => {
      const client = new pg.Client({ connectionString: region.url });
      await client.connect();
      bench.defer(() => client.end());
      const ids = sampleKeyNumbers(count, LOOKUPS).map(manyKeyId);
      return async () => {
        const startedAtMs = performance.now();
        for (const id of ids) {
          const { rowCount } = await client.query({
            name: 'key-by-id',
            text: `SELECT ${KEY_COLUMNS} FROM api_keys WHERE id = $1`,
            values: [id],
          });
          if (rowCount !== 1) throw new Error('a key is missing');
        }
        return ((performance.now() - startedAtMs) * 1_000) / ids.length;
      };
    };
    const [ofMany, ofFew] = [await side(many), await side(few)];
    await ofMany();
    await ofFew();
    const pairs = await alternate(bench.options.pairs, ofMany, ofFew);
    return pairedRow(
      {
        case: 'million-keys',
        measure: 'lookup only, bare pg client',
        against: '1,000 keys',
        unit: 'µs',
      },
      pairs,
    );
  }
}

/** Key numbers from 1 to `count`, evenly spread. Ids are digests, so the lookups hit the index in random order. */
function sampleKeyNumbers(count: number, size: number): number[] {
  return Array.from({ length: size }, (_, index) => 1 + ((index * 7_919) % count));
}
