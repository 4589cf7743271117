import { secretTag } from '../../src/credential/secret-tag.ts';
import type { Bench } from '../lib/bench.ts';
import { type BenchKey, benchKeys, CHEAP_HASH, DEFAULT_HASH } from '../lib/keys.ts';
import type { LoadResult } from '../lib/load/plan.ts';
import { projectRequest, viewerRow } from '../lib/one-project.ts';
import { alternate } from '../lib/pairs.ts';
import { createRegionDatabase, insertKeys, type KeyRow } from '../lib/region-database.ts';
import { startRegional } from '../lib/regional.ts';
import { pairedRow, type Row } from '../lib/row.ts';
import { startBenchPostgres } from '../lib/servers.ts';
import { startWrongSecrets } from '../lib/wrong-secrets.ts';

/** Cold keys per second of a measurement: one caller, who sends each key once. */
const KEYS_PER_SECOND = 50;
const STORM_KEYS = 300;
const WARM_UP_KEYS = 5_000;

/**
 * Compares the time of a cold key, while wrong secrets for 300 ids of another organization arrive, with its time without them.
 * Once with keys that have a secret tag and once with keys of earlier releases, which have none.
 */
export async function coldUnderStorm(bench: Bench): Promise<Row[]> {
  const database = await createRegionDatabase(await startBenchPostgres(bench));
  const count = Math.round(KEYS_PER_SECOND * bench.options.seconds);
  const measurements = 2 * (2 * bench.options.pairs + 1);
  const [cold, storm, warmUp] = [
    await benchKeys('cold under storm', count * measurements, DEFAULT_HASH),
    await benchKeys('storm of another organization', 2 * STORM_KEYS, DEFAULT_HASH),
    await benchKeys('quick', WARM_UP_KEYS, CHEAP_HASH),
  ];
  const half = <T>(all: readonly T[], tagged: boolean) =>
    tagged ? all.slice(0, all.length / 2) : all.slice(all.length / 2);
  const rowsOf = (tagged: boolean) => [
    ...half(cold, tagged).map((key) => keyRow(key, tagged)),
    ...half(storm, tagged).map((key) => ({ ...keyRow(key, tagged), organizationId: 'org-attacked' })),
  ];
  await database.fill((client) =>
    insertKeys(client, [...rowsOf(true), ...rowsOf(false), ...warmUp.map((key) => keyRow(key, true))]),
  );
  const service = await startRegional(bench, database.url);
  const generator = bench.startGenerator();
  const stormGenerator = bench.startGenerator();
  await generator.run({
    port: service.port,
    requests: warmUp.map(projectRequest),
    connections: 8,
    count: WARM_UP_KEYS,
  });

  const rows: Row[] = [];
  for (const tagged of [true, false]) {
    const unused = [...half(cold, tagged)];
    const quiet = () =>
      generator.run({
        port: service.port,
        requests: unused.splice(0, count).map(projectRequest),
        connections: 1,
        count,
      });
    let storms = 0;
    const withStorm = async () => {
      storms += 1;
      const running = await startWrongSecrets(stormGenerator, service.port, {
        keys: half(storm, tagged),
        name: `cold ${tagged} ${storms}`,
        // A measurement takes longer than without the storm.
        seconds: 2 * bench.options.seconds + 2,
        tagged,
      });
      const before = await service.metrics();
      const result = await quiet();
      const hashes = difference(before, await service.metrics(), 'iam_argon2_run_seconds_count') - count;
      return { ...result, hashes, storm: await running.done };
    };
    await withStorm();
    const pairs = await alternate<LoadResult & { hashes?: number; storm?: LoadResult }>(
      bench.options.pairs,
      withStorm,
      quiet,
      ({ subject, baseline }) =>
        bench.log(
          `${tagged ? 'with' : 'without'} tags: p50 ${subject.latencyMs.p50.toFixed(2)} p99 ${subject.latencyMs.p99.toFixed(2)} ms ${JSON.stringify(subject.statuses)}, storm ${JSON.stringify(subject.storm?.statuses)} with ${subject.hashes} hashes, against p50 ${baseline.latencyMs.p50.toFixed(2)} p99 ${baseline.latencyMs.p99.toFixed(2)} ms`,
        ),
    );
    const refused = pairs.flatMap(({ subject, baseline }) => [subject, baseline]);
    if (refused.some(({ statuses }) => Object.keys(statuses).some((status) => status !== '200'))) {
      throw new Error('a cold key of the other organization was refused');
    }
    const row = {
      case: 'cold-under-storm',
      against: 'same keys without the storm',
      unit: 'ms',
    };
    const of = (value: (result: LoadResult) => number) =>
      pairs.map(({ subject, baseline }) => ({ subject: value(subject), baseline: value(baseline) }));
    const kind = tagged ? 'keys with a tag' : 'keys without a tag';
    rows.push(
      pairedRow(
        {
          ...row,
          measure: `p50 of cold keys, ${kind}`,
          target: { bound: 'at most', value: 2 },
          notes: [
            `storm ${range(pairs.map(({ subject }) => subject.storm?.perSecond ?? 0))}/s, of which argon2 compared ${range(pairs.map(({ subject }) => subject.hashes ?? 0))} during a measurement`,
          ],
        },
        of(({ latencyMs }) => latencyMs.p50),
      ),
      pairedRow(
        { ...row, measure: `p99 of cold keys, ${kind}` },
        of(({ latencyMs }) => latencyMs.p99),
      ),
    );
  }
  return rows;
}

function keyRow(key: BenchKey, tagged: boolean): KeyRow {
  return { ...viewerRow(key), ...(tagged && { secretTag: secretTag(key.id, key.secret) }) };
}

function difference(before: Map<string, number>, after: Map<string, number>, name: string): number {
  return (after.get(name) ?? 0) - (before.get(name) ?? 0);
}

function range(values: readonly number[]): string {
  return `${Math.round(Math.min(...values))} to ${Math.round(Math.max(...values))}`;
}
