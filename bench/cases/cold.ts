import { startBaseline } from '../lib/baseline.ts';
import type { Bench } from '../lib/bench.ts';
import { cpuSeconds } from '../lib/cpu-time.ts';
import { benchKeys, CHEAP_HASH, DEFAULT_HASH } from '../lib/keys.ts';
import { createLoadedSide } from '../lib/loaded-side.ts';
import { tierShare } from '../lib/metrics.ts';
import { projectRequest, viewerRow } from '../lib/one-project.ts';
import { alternate } from '../lib/pairs.ts';
import { createRegionDatabase, insertKeys } from '../lib/region-database.ts';
import { startRegional } from '../lib/regional.ts';
import { pairedRow, type Row } from '../lib/row.ts';
import { startBenchPostgres } from '../lib/servers.ts';

const CONNECTIONS = 32;
/** Keys per second of a measurement; about the throughput of one core. */
const KEYS_PER_SECOND = 200;
const WARM_UP_KEYS = 50_000;
const WARM_UP_BATCHES = 3;

interface Rate {
  perSecond: number;
  cpuMicros: number;
}

/**
 * Compares requests with unknown keys, without Redis, with bare argon2 in a separate process. Each request needs a
 * Postgres lookup and an argon2 verification. The baseline verifies the same secrets with the same concurrency (one per
 * processor). Each side uses each key once.
 */
export async function cold(bench: Bench): Promise<Row[]> {
  const count = Math.round(KEYS_PER_SECOND * bench.options.seconds);
  const batches = bench.options.pairs + WARM_UP_BATCHES;
  const keys = await benchKeys('cold', count * batches, DEFAULT_HASH);
  const database = await createRegionDatabase(await startBenchPostgres(bench));
  const warmUpKeys = await benchKeys('quick', WARM_UP_KEYS, CHEAP_HASH);
  await database.fill((client) => insertKeys(client, [...keys, ...warmUpKeys].map(viewerRow)));
  const service = await startRegional(bench, database.url);
  const bare = await startBaseline(bench, 'baselines/argon2.ts');
  const generator = bench.startGenerator();

  let usedByService = 0;
  const measureService = async () => {
    const requests = keys.slice(usedByService, usedByService + count).map(projectRequest);
    usedByService += count;
    return await createLoadedSide(bench, generator, service, { requests, connections: CONNECTIONS, count })();
  };
  let usedByBaseline = 0;
  const measureBaseline = async () => {
    const batch = keys
      .slice(usedByBaseline, usedByBaseline + count)
      .map(({ secret, secretHash }) => ({ secret, secretHash }));
    usedByBaseline += count;
    const before = await cpuSeconds(bare.pid);
    const { perSecond } = await bare.request<{ perSecond: number }>(batch);
    return { perSecond, cpuMicros: (((await cpuSeconds(bare.pid)) - before) * 1_000_000) / count };
  };
  bench.log(`${count} keys per measurement; warming up`);
  // V8 compiles the code during requests with cheaply hashed keys, about as many as in the first minutes of a process.
  await generator.run({
    port: service.port,
    requests: warmUpKeys.map(projectRequest),
    connections: CONNECTIONS,
    count: WARM_UP_KEYS,
  });
  await measureService();
  await measureBaseline();

  const before = await service.metrics();
  const pairs = await alternate<Rate>(
    bench.options.pairs,
    measureService,
    measureBaseline,
    ({ subject, baseline }) => bench.log(`${summarize(subject)} against ${summarize(baseline)}`),
  );
  const after = await service.metrics();
  const hashed = difference('iam_argon2_run_seconds_count');
  const hashingSeconds = difference('iam_argon2_run_seconds_sum');
  return [
    pairedRow(
      {
        case: 'cold',
        measure: 'throughput, distinct keys, argon2id m=4096 t=1 p=1',
        against: 'bare argon2.verify, same concurrency',
        unit: 'verified/s',
        target: { bound: 'at least', value: 0.9 },
        notes: [
          `${(tierShare(before, after, 'postgres') * 100).toFixed(2)} % answered from Postgres, ${hashed} hashes for ${count * bench.options.pairs} requests`,
          `${((hashingSeconds / hashed) * 1_000).toFixed(2)} ms per argon2 verification in the service`,
        ],
      },
      pairs.map(({ subject, baseline }) => ({ subject: subject.perSecond, baseline: baseline.perSecond })),
    ),
    pairedRow(
      { case: 'cold', measure: 'processor time per key', against: 'bare argon2.verify', unit: 'µs' },
      pairs.map(({ subject, baseline }) => ({ subject: subject.cpuMicros, baseline: baseline.cpuMicros })),
    ),
  ];

  function difference(name: string): number {
    return (after.get(name) ?? 0) - (before.get(name) ?? 0);
  }
}

function summarize({ perSecond, cpuMicros }: Rate): string {
  return `${perSecond.toFixed(0)}/s, ${Math.round(cpuMicros)} µs CPU`;
}
