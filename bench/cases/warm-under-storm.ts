import type { Bench } from '../lib/bench.ts';
import { benchKeys, DEFAULT_HASH, withWrongSecret } from '../lib/keys.ts';
import type { LoadResult } from '../lib/load/plan.ts';
import { projectRequest, viewerRow } from '../lib/one-project.ts';
import { alternate } from '../lib/pairs.ts';
import { createRegionDatabase, insertKeys } from '../lib/region-database.ts';
import { startRegional } from '../lib/regional.ts';
import { pairedRow, type Row } from '../lib/row.ts';
import { startBenchPostgres } from '../lib/servers.ts';

const RATE_PER_SECOND = 2_000;
const WARM_CONNECTIONS = 64;
const WARM_KEYS = 100;
/** Enough connections to keep argon2 and its queue busy without overflowing the queue. */
const STORM_CONNECTIONS = 64;
const STORM_KEYS = 1_000;
const STORM_REQUESTS = 20_000;

/**
 * Compares memory hits at a fixed rate, while requests with distinct wrong secrets saturate argon2, with the same rate
 * without them. Open loop: the generator sends each request at its due time without waiting for earlier responses.
 */
export async function warmUnderStorm(bench: Bench): Promise<Row[]> {
  const database = await createRegionDatabase(await startBenchPostgres(bench));
  const keys = await benchKeys('storm', WARM_KEYS + STORM_KEYS, DEFAULT_HASH);
  await database.fill((client) => insertKeys(client, keys.map(viewerRow)));
  const service = await startRegional(bench, database.url);
  const requests = keys.slice(0, WARM_KEYS).map(projectRequest);
  const stormKeys = keys.slice(WARM_KEYS);

  const warmLoad = bench.startGenerator();
  const stormLoad = bench.startGenerator();
  bench.log('warming up');
  const warmUp = { port: service.port, requests, connections: WARM_CONNECTIONS };
  await warmLoad.run({ ...warmUp, count: 20_000 });

  const withoutStorm = () =>
    warmLoad.run({ ...warmUp, seconds: bench.options.seconds, ratePerSecond: RATE_PER_SECOND });
  let storms = 0;
  const withStorm = async () => {
    storms += 1;
    const wrong = Array.from({ length: STORM_REQUESTS }, (_, index) =>
      projectRequest({
        authorization: withWrongSecret(
          stormKeys[index % STORM_KEYS] as { id: string },
          `storm ${storms}`,
          index,
        ),
      }),
    );
    const storm = stormLoad.run({
      port: service.port,
      requests: wrong,
      connections: STORM_CONNECTIONS,
      seconds: bench.options.seconds + 1,
    });
    await new Promise((resolve) => setTimeout(resolve, 500));
    const queued = (await service.metrics()).get('iam_argon2_waiting') ?? 0;
    const result = await withoutStorm();
    return { ...result, queued, storm: await storm };
  };
  await withStorm();
  const pairs = await alternate<LoadResult & { queued?: number; storm?: LoadResult }>(
    bench.options.pairs,
    withStorm,
    withoutStorm,
    ({ subject, baseline }) =>
      bench.log(
        `${summarize(subject)} with a storm (${Math.round(subject.storm?.perSecond ?? 0)}/s, ${subject.queued} queued, ${JSON.stringify(subject.storm?.statuses)}) against ${summarize(baseline)}`,
      ),
  );
  const row = { case: 'warm-under-storm', against: 'same load without the storm', unit: 'ms' };
  const of = (value: (result: LoadResult) => number) =>
    pairs.map(({ subject, baseline }) => ({ subject: value(subject), baseline: value(baseline) }));
  return [
    pairedRow(
      {
        ...row,
        measure: `p99 of memory hits at ${RATE_PER_SECOND}/s`,
        target: { bound: 'at most', value: 3 },
        notes: [
          `storm ${formatRange(pairs.map(({ subject }) => subject.storm?.perSecond ?? 0))}/s with ${formatRange(pairs.map(({ subject }) => subject.queued ?? 0))} in the queue`,
          `generator late by at most ${Math.max(...pairs.flatMap(({ subject, baseline }) => [subject.generatorLateMs, baseline.generatorLateMs])).toFixed(1)} ms (not included in the latencies)`,
        ],
      },
      of(({ latencyMs }) => latencyMs.p99),
    ),
    pairedRow(
      { ...row, measure: `p50 of memory hits at ${RATE_PER_SECOND}/s` },
      of(({ latencyMs }) => latencyMs.p50),
    ),
  ];
}

function formatRange(values: readonly number[]): string {
  return `${Math.round(Math.min(...values))} to ${Math.round(Math.max(...values))}`;
}

function summarize({ latencyMs, perSecond }: LoadResult): string {
  return `p50 ${latencyMs.p50.toFixed(2)} p99 ${latencyMs.p99.toFixed(2)} ms at ${Math.round(perSecond)}/s`;
}
