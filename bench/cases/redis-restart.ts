import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import type { Bench } from '../lib/bench.ts';
import type { LoadResult } from '../lib/load/plan.ts';
import { fillWithManyKeys, manyKeyAuthorization } from '../lib/many-keys.ts';
import { projectRequest } from '../lib/one-project.ts';
import { createRegionDatabase } from '../lib/region-database.ts';
import { type Regional, startRegional } from '../lib/regional.ts';
import { absoluteRow, pairedRow, type Row } from '../lib/row.ts';
import { startBenchPostgres, startBenchRedis } from '../lib/servers.ts';

const KEYS = 100_000;
const CONNECTIONS = 32;
const RATE_PER_SECOND = 2_000;
/** The quiet reference begins after V8 has compiled the path. */
const WARM_UP_SECONDS = 5;
const DRAIN_MS = 10_000;

/**
 * Fills Redis through the service at full speed, then restarts the service under load. The smallest argon2 parameters
 * make the fill as fast as the service can store. All settings of Redis have their defaults.
 */
export async function redisRestart(bench: Bench): Promise<Row[]> {
  const count = bench.options.keys ?? KEYS;
  const redis = await startBenchRedis(bench);
  const database = await createRegionDatabase(await startBenchPostgres(bench));
  await fillWithManyKeys(database, count);
  const env = { REDIS_URL: redis.url, CACHE_KEYS: randomBytes(32).toString('base64') };
  const requests = Array.from({ length: count }, (_, n) =>
    projectRequest({ authorization: manyKeyAuthorization(n + 1) }),
  );
  const generator = bench.startGenerator();

  let service = await startRegional(bench, database.url, { env });
  bench.log(`filling with ${count.toLocaleString('en')} keys`);
  const fill = await generator.run({ port: service.port, requests, connections: CONNECTIONS, count });
  expectGranted(fill, count);
  const shares: number[] = [];
  const deadline = performance.now() + DRAIN_MS;
  do shares.push((await keysIn(redis.url)) / count);
  while ((shares.at(-1) ?? 0) < 1 && performance.now() < deadline);
  const share = shares.at(-1) ?? 0;
  const commands = commandNotes(await service.metrics());
  bench.log(
    `${(share * 100).toFixed(2)} % of the keys in Redis (${(shares[0] as number) * 100} % at the end of the fill), ${fill.perSecond.toFixed(0)}/s; ${commands.join(', ')}`,
  );

  const restarts: (LoadResult & { hashes: number; refused: number; quiet: LoadResult })[] = [];
  for (let run = 0; run < bench.options.pairs; run += 1) {
    await service.child.stop();
    service = await startRegional(bench, database.url, { env });
    const load = { port: service.port, connections: CONNECTIONS, ratePerSecond: RATE_PER_SECOND };
    const used = Math.floor(count / 2);
    const result = await generator.run({
      ...load,
      requests: requests.slice(0, used),
      rampSeconds: 1,
      seconds: Math.min(bench.options.seconds, used / RATE_PER_SECOND - 1),
    });
    const metrics = await service.metrics();
    bench.log(commandNotes(metrics).join(', '));
    await generator.run({ ...load, requests: requests.slice(0, 100), seconds: WARM_UP_SECONDS });
    // Keys of the other half, so that these too come from Redis.
    const quiet = await generator.run({
      ...load,
      requests: requests.slice(used),
      seconds: Math.min(bench.options.seconds, (count - used) / RATE_PER_SECOND - 1),
    });
    restarts.push({
      ...result,
      hashes: value(metrics, 'iam_argon2_run_seconds_count'),
      refused: refusals(metrics),
      quiet,
    });
    bench.log(
      `restart: ${restarts.at(-1)?.hashes} hashes, ${restarts.at(-1)?.refused} refused, p99 ${result.latencyMs.p99.toFixed(2)} ms (quiet ${quiet.latencyMs.p99.toFixed(2)} ms), max ${result.latencyMs.max.toFixed(1)} ms`,
    );
  }

  const row = { case: 'redis-restart' };
  return [
    absoluteRow(
      {
        ...row,
        measure: `share of ${count.toLocaleString('en')} keys in Redis after a fill at full speed`,
        against: '',
        unit: '',
        target: { bound: 'at least', value: 0.999 },
        notes: [`${fill.perSecond.toFixed(0)} keys/s, ${CONNECTIONS} callers`, ...commands],
      },
      [share],
    ),
    absoluteRow(
      {
        ...row,
        measure: `argon2 runs after a restart at ${RATE_PER_SECOND}/s`,
        against: '',
        unit: 'runs',
        target: { bound: 'at most', value: 0 },
      },
      restarts.map(({ hashes }) => hashes),
    ),
    absoluteRow(
      {
        ...row,
        measure: `failed requests after a restart at ${RATE_PER_SECOND}/s`,
        against: '',
        unit: 'requests',
        target: { bound: 'at most', value: 0 },
      },
      restarts.map(({ refused }) => refused),
    ),
    pairedRow(
      {
        ...row,
        measure: 'p99 from one second after the restart',
        against: 'Redis hits at the same rate, later',
        unit: 'ms',
        target: { bound: 'at most', value: 3 },
      },
      restarts.map(({ latencyMs, quiet }) => ({ subject: latencyMs.p99, baseline: quiet.latencyMs.p99 })),
    ),
  ];
}

function value(metrics: ReadonlyMap<string, number>, name: string): number {
  return metrics.get(name) ?? 0;
}

function refusals(metrics: Awaited<ReturnType<Regional['metrics']>>): number {
  return [...metrics]
    .filter(
      ([name]) => name.startsWith('iam_authentication_requests_total') && !name.includes('outcome="granted"'),
    )
    .reduce((sum, [, count]) => sum + count, 0);
}

function commandNotes(metrics: Awaited<ReturnType<Regional['metrics']>>): string[] {
  return [...metrics]
    .filter(([name]) => name.startsWith('iam_redis_'))
    .map(([name, count]) => `${name} ${count}`);
}

function expectGranted({ statuses }: LoadResult, count: number): void {
  if (statuses['200'] !== count) throw new Error(`not all requests succeeded: ${JSON.stringify(statuses)}`);
}

/** Keys whose credential and whose response are in Redis. */
async function keysIn(url: string): Promise<number> {
  const client = new Redis(url);
  try {
    const found = { credential: 0, response: 0 };
    for await (const names of client.scanStream({ count: 10_000 }) as AsyncIterable<string[]>) {
      for (const name of names) {
        if (name.includes(':credential:')) found.credential += 1;
        else if (name.includes(':response:')) found.response += 1;
      }
    }
    return Math.min(found.credential, found.response);
  } finally {
    client.disconnect();
  }
}
