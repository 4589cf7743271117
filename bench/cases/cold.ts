import { startBaseline } from '../lib/baseline.ts';
import type { Bench } from '../lib/bench.ts';
import { cpuSeconds } from '../lib/cpu-time.ts';
import { benchKeys, CHEAP_HASH, DEFAULT_HASH } from '../lib/keys.ts';
import { loadedSide } from '../lib/loaded-side.ts';
import { tierShare } from '../lib/metrics.ts';
import { projectRequest, viewerRow } from '../lib/one-project.ts';
import { alternate } from '../lib/pairs.ts';
import { createRegionDatabase, insertKeys } from '../lib/region-database.ts';
import { startRegional } from '../lib/regional.ts';
import { pairedRow, type Row } from '../lib/row.ts';
import { startBenchPostgres } from '../lib/servers.ts';

const CONNECTIONS = 32;
/** What one measurement verifies, for each second that it may last: about what a core does. */
const KEYS_PER_SECOND = 200;
const QUICK_KEYS = 50_000;
const WARM_UP_SLICES = 3;

interface Rate {
  perSecond: number;
  cpuMicros: number;
}

/**
 * Keys that the process has never seen, without Redis: each costs a read of Postgres and an argon2. Against the bare
 * argon2 of the very same secrets and hashes, as many at a time as the service allows itself (one for each processor
 * it has), in a bare process. Every key is used once by each side.
 */
export async function cold(bench: Bench): Promise<Row[]> {
  const count = Math.round(KEYS_PER_SECOND * bench.options.seconds);
  const slices = bench.options.pairs + WARM_UP_SLICES;
  const keys = await benchKeys('cold', count * slices, DEFAULT_HASH);
  const database = await createRegionDatabase(await startBenchPostgres(bench));
  const quick = await benchKeys('quick', QUICK_KEYS, CHEAP_HASH);
  await database.fill((client) => insertKeys(client, [...keys, ...quick].map(viewerRow)));
  const service = await startRegional(bench, database.url);
  const bare = await startBaseline(bench, 'baselines/argon2.ts');
  const generator = bench.generator();

  let served = 0;
  const ours = async () => {
    const requests = keys.slice(served, served + count).map(projectRequest);
    served += count;
    return await loadedSide(bench, generator, service, { requests, connections: CONNECTIONS, count })();
  };
  let verified = 0;
  const theirs = async () => {
    const batch = keys
      .slice(verified, verified + count)
      .map(({ secret, secretHash }) => ({ secret, secretHash }));
    verified += count;
    const before = await cpuSeconds(bare.pid);
    const { perSecond } = await bare.ask<{ perSecond: number }>(batch);
    return { perSecond, cpuMicros: (((await cpuSeconds(bare.pid)) - before) * 1_000_000) / count };
  };
  bench.log(`${count} keys a measurement; warming up`);
  // The code gets compiled by keys that are quick to verify, as many as a process sees in its first minutes.
  await generator.run({
    port: service.port,
    requests: quick.map(projectRequest),
    connections: CONNECTIONS,
    count: QUICK_KEYS,
  });
  await ours();
  await theirs();

  const before = await service.metrics();
  const pairs = await alternate<Rate>(bench.options.pairs, ours, theirs, ({ subject, baseline }) =>
    bench.log(`${told(subject)} against ${told(baseline)}`),
  );
  const after = await service.metrics();
  const hashed = difference('iam_argon2_run_seconds_count');
  const spent = difference('iam_argon2_run_seconds_sum');
  return [
    pairedRow(
      {
        case: 'cold',
        measure: 'throughput, distinct keys, argon2id m=4096 t=1 p=1',
        against: 'bare argon2.verify, as many at a time',
        unit: 'verified/s',
        target: { bound: 'at least', value: 0.9 },
        notes: [
          `${(tierShare(before, after, 'postgres') * 100).toFixed(2)} % answered from Postgres, ${hashed} hashes for ${count * bench.options.pairs} requests`,
          `${((spent / hashed) * 1_000).toFixed(2)} ms from asking argon2 to its answer, in the service`,
        ],
      },
      pairs.map(({ subject, baseline }) => ({ subject: subject.perSecond, baseline: baseline.perSecond })),
    ),
    pairedRow(
      { case: 'cold', measure: 'processor time a key', against: 'bare argon2.verify', unit: 'µs' },
      pairs.map(({ subject, baseline }) => ({ subject: subject.cpuMicros, baseline: baseline.cpuMicros })),
    ),
  ];

  function difference(name: string): number {
    return (after.get(name) ?? 0) - (before.get(name) ?? 0);
  }
}

function told({ perSecond, cpuMicros }: Rate): string {
  return `${perSecond.toFixed(0)}/s, ${Math.round(cpuMicros)} µs CPU`;
}
