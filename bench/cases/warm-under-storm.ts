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
/** Enough to keep argon2 and its queue busy all the time, without ever overflowing the queue. */
const STORM_CONNECTIONS = 64;
const STORM_KEYS = 1_000;
const STORM_REQUESTS = 20_000;

/**
 * Memory hits at a fixed rate while callers with wrong secrets, each another one, keep argon2 saturated; against the
 * same rate without them. Open loop: a request leaves when it is due, whatever became of those before it.
 */
export async function warmUnderStorm(bench: Bench): Promise<Row[]> {
  const database = await createRegionDatabase(await startBenchPostgres(bench));
  const keys = await benchKeys('storm', WARM_KEYS + STORM_KEYS, DEFAULT_HASH);
  await database.fill((client) => insertKeys(client, keys.map(viewerRow)));
  const service = await startRegional(bench, database.url);
  const requests = keys.slice(0, WARM_KEYS).map(projectRequest);
  const stormKeys = keys.slice(WARM_KEYS);

  const warmLoad = bench.generator();
  const stormLoad = bench.generator();
  bench.log('warming up');
  const warmUp = { port: service.port, requests, connections: WARM_CONNECTIONS };
  await warmLoad.run({ ...warmUp, count: 20_000 });

  const calm = () =>
    warmLoad.run({ ...warmUp, seconds: bench.options.seconds, ratePerSecond: RATE_PER_SECOND });
  let storms = 0;
  const stormy = async () => {
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
    const waiting = (await service.metrics()).get('iam_argon2_waiting') ?? 0;
    const result = await calm();
    return { ...result, waiting, storm: await storm };
  };
  await stormy();
  const pairs = await alternate<LoadResult & { waiting?: number; storm?: LoadResult }>(
    bench.options.pairs,
    stormy,
    calm,
    ({ subject, baseline }) =>
      bench.log(
        `${told(subject)} with a storm (${Math.round(subject.storm?.perSecond ?? 0)}/s, ${subject.waiting} waiting, ${JSON.stringify(subject.storm?.statuses)}) against ${told(baseline)}`,
      ),
  );
  const row = { case: 'warm-under-storm', against: 'the same without the storm', unit: 'ms' };
  const of = (value: (result: LoadResult) => number) =>
    pairs.map(({ subject, baseline }) => ({ subject: value(subject), baseline: value(baseline) }));
  return [
    pairedRow(
      {
        ...row,
        measure: `p99 of memory hits at ${RATE_PER_SECOND}/s`,
        target: { bound: 'at most', value: 3 },
        notes: [
          `storm ${range(pairs.map(({ subject }) => subject.storm?.perSecond ?? 0))}/s with ${range(pairs.map(({ subject }) => subject.waiting ?? 0))} in the queue`,
          `generator late by at most ${Math.max(...pairs.flatMap(({ subject, baseline }) => [subject.generatorLateMs, baseline.generatorLateMs])).toFixed(1)} ms (not in the latencies)`,
        ],
      },
      of(({ latencyMs }) => latencyMs.p99),
    ),
    pairedRow(
      { ...row, measure: 'p50 of them' },
      of(({ latencyMs }) => latencyMs.p50),
    ),
  ];
}

function range(values: readonly number[]): string {
  return `${Math.round(Math.min(...values))} to ${Math.round(Math.max(...values))}`;
}

function told({ latencyMs, perSecond }: LoadResult): string {
  return `p50 ${latencyMs.p50.toFixed(2)} p99 ${latencyMs.p99.toFixed(2)} ms at ${Math.round(perSecond)}/s`;
}
