import { secretTag } from '../../src/credential/secret-tag.ts';
import type { Bench } from '../lib/bench.ts';
import { benchKeys, DEFAULT_HASH } from '../lib/keys.ts';
import type { LoadResult } from '../lib/load/plan.ts';
import { projectRequest, viewerRow } from '../lib/one-project.ts';
import { alternate } from '../lib/pairs.ts';
import { createRegionDatabase, insertKeys } from '../lib/region-database.ts';
import { startRegional } from '../lib/regional.ts';
import { pairedRow, type Row } from '../lib/row.ts';
import { startBenchPostgres } from '../lib/servers.ts';
import { startWrongSecrets } from '../lib/wrong-secrets.ts';

const RATE_PER_SECOND = 2_000;
const WARM_CONNECTIONS = 64;
const WARM_KEYS = 100;
const STORM_KEYS = 1_000;

/**
 * Compares memory hits at a fixed rate, while requests with distinct wrong secrets arrive, with the same rate without them:
 * once for keys with a secret tag, and once for keys of earlier releases, whose wrong secrets saturate argon2. Open loop: the generator sends each request at its due time without waiting for earlier responses.
 */
export async function warmUnderStorm(bench: Bench): Promise<Row[]> {
  const database = await createRegionDatabase(await startBenchPostgres(bench));
  const keys = await benchKeys('storm', WARM_KEYS + STORM_KEYS, DEFAULT_HASH);
  const warmKeys = keys.slice(0, WARM_KEYS);
  const stormKeys = {
    tagged: keys.slice(WARM_KEYS, WARM_KEYS + STORM_KEYS / 2),
    untagged: keys.slice(WARM_KEYS + STORM_KEYS / 2),
  };
  await database.fill((client) =>
    insertKeys(client, [
      ...[...warmKeys, ...stormKeys.untagged].map(viewerRow),
      ...stormKeys.tagged.map((key) => ({ ...viewerRow(key), secretTag: secretTag(key.id, key.secret) })),
    ]),
  );
  const service = await startRegional(bench, database.url);
  const requests = warmKeys.map(projectRequest);

  const warmLoad = bench.startGenerator();
  const stormLoad = bench.startGenerator();
  bench.log('warming up');
  const warmUp = { port: service.port, requests, connections: WARM_CONNECTIONS };
  await warmLoad.run({ ...warmUp, count: 20_000 });

  const withoutStorm = () =>
    warmLoad.run({ ...warmUp, seconds: bench.options.seconds, ratePerSecond: RATE_PER_SECOND });
  const rows: Row[] = [];
  for (const kind of ['tagged', 'untagged'] as const) {
    let storms = 0;
    const withStorm = async () => {
      storms += 1;
      const storm = await startWrongSecrets(stormLoad, service.port, {
        keys: stormKeys[kind],
        name: `storm ${kind} ${storms}`,
        seconds: bench.options.seconds + 1,
        tagged: kind === 'tagged',
      });
      const queued = (await service.metrics()).get('iam_argon2_waiting') ?? 0;
      const result = await withoutStorm();
      return { ...result, queued, storm: await storm.done };
    };
    await withStorm();
    const pairs = await alternate<LoadResult & { queued?: number; storm?: LoadResult }>(
      bench.options.pairs,
      withStorm,
      withoutStorm,
      ({ subject, baseline }) =>
        bench.log(
          `${summarize(subject)} with a storm of ${kind} keys (${Math.round(subject.storm?.perSecond ?? 0)}/s, ${subject.queued} queued, ${JSON.stringify(subject.storm?.statuses)}) against ${summarize(baseline)}`,
        ),
    );
    const row = { case: 'warm-under-storm', against: 'same load without the storm', unit: 'ms' };
    const of = (value: (result: LoadResult) => number) =>
      pairs.map(({ subject, baseline }) => ({ subject: value(subject), baseline: value(baseline) }));
    const hits = `of memory hits at ${RATE_PER_SECOND}/s, ${kind === 'tagged' ? 'attacked keys with a tag' : 'attacked keys without a tag'}`;
    rows.push(
      pairedRow(
        {
          ...row,
          measure: `p99 ${hits}`,
          target: { bound: 'at most', value: kind === 'tagged' ? 1.3 : 3 },
          notes: [
            `storm ${formatRange(pairs.map(({ subject }) => subject.storm?.perSecond ?? 0))}/s with ${formatRange(pairs.map(({ subject }) => subject.queued ?? 0))} in the queue`,
            `generator late by at most ${Math.max(...pairs.flatMap(({ subject, baseline }) => [subject.generatorLateMs, baseline.generatorLateMs])).toFixed(1)} ms (not included in the latencies)`,
          ],
        },
        of(({ latencyMs }) => latencyMs.p99),
      ),
      pairedRow(
        { ...row, measure: `p50 ${hits}` },
        of(({ latencyMs }) => latencyMs.p50),
      ),
    );
  }
  return rows;
}

function formatRange(values: readonly number[]): string {
  return `${Math.round(Math.min(...values))} to ${Math.round(Math.max(...values))}`;
}

function summarize({ latencyMs, perSecond }: LoadResult): string {
  return `p50 ${latencyMs.p50.toFixed(2)} p99 ${latencyMs.p99.toFixed(2)} ms at ${Math.round(perSecond)}/s`;
}
