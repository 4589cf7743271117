import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { startBaseline } from '../lib/baseline.ts';
import type { Bench } from '../lib/bench.ts';
import { benchKeys, CHEAP_HASH } from '../lib/keys.ts';
import { createLoadedSide, summarize } from '../lib/loaded-side.ts';
import { tierShare } from '../lib/metrics.ts';
import { projectRequest, viewerRow } from '../lib/one-project.ts';
import { alternate } from '../lib/pairs.ts';
import { createRegionDatabase, insertKeys } from '../lib/region-database.ts';
import { startRegional } from '../lib/regional.ts';
import { pairedRow, type Row } from '../lib/row.ts';
import { sendRequest } from '../lib/send-request.ts';
import { startBenchPostgres, startBenchRedis } from '../lib/servers.ts';

const CONNECTIONS = 32;
const KEYS = 2_000;
/** Small enough that each entry is evicted before the next request of its key. */
const ENTRIES_IN_MEMORY = 8;
/**
 * Long enough for V8 to finish compiling, and longer than the start-up window in which the recent role changes prevent
 * the reuse of stored responses.
 */
const WARM_UP_SECONDS = 15;

/**
 * Compares Redis hits with a bare Fastify that reads one value of the same size with GET and sends it. The service has
 * tiny caches and receives two thousand keys in turn, so that memory never hits. The Redis timeout is raised, because
 * 32 callers without pauses keep the event loop busy for longer than the default timeout.
 */
export async function redisHit(bench: Bench): Promise<Row[]> {
  const redis = await startBenchRedis(bench);
  const database = await createRegionDatabase(await startBenchPostgres(bench));
  const keys = await benchKeys('redis', KEYS, CHEAP_HASH);
  await database.fill((client) => insertKeys(client, keys.map(viewerRow)));
  const service = await startRegional(bench, database.url, {
    env: {
      REDIS_URL: redis.url,
      CACHE_KEYS: randomBytes(32).toString('base64'),
      CACHE_MAX_ENTRIES: String(ENTRIES_IN_MEMORY),
      REDIS_TIMEOUT_MS: '100',
    },
  });
  const requests = keys.map(projectRequest);
  const response = await sendRequest(service.port, requests[0] as Buffer);
  if (response.status !== 200) throw new Error(`the service returned ${response.status}: ${response.body}`);
  const bare = await startBaseline(bench, 'baselines/redis-fastify.ts', {
    REDIS_URL: redis.url,
    RESPONSE_BODY: response.body,
  });
  const generator = bench.startGenerator();
  bench.log('warming up both sides');
  for (const { port } of [service, bare]) {
    await generator.run({ port, requests, connections: CONNECTIONS, seconds: WARM_UP_SECONDS });
  }

  const sealedBytes = await redisBytesPerKey(redis.url);
  const plan = { requests, connections: CONNECTIONS };
  const before = await service.metrics();
  const pairs = await alternate(
    bench.options.pairs,
    createLoadedSide(bench, generator, service, plan),
    createLoadedSide(bench, generator, bare, plan),
    ({ subject, baseline }) => bench.log(`${summarize(subject)} against ${summarize(baseline)}`),
  );
  const after = await service.metrics();
  const commandCounts = [...after].filter(([name]) => name.startsWith('iam_redis_commands_total'));
  const row = { case: 'redis-hit', against: 'Fastify route with one ioredis GET, same response' };
  return [
    pairedRow(
      {
        ...row,
        measure: 'throughput',
        unit: 'req/s',
        target: { bound: 'at least', value: 0.85 },
        notes: [
          `${(tierShare(before, after, 'redis') * 100).toFixed(2)} % answered from Redis`,
          `${sealedBytes} B in Redis per key (fence, credential, response); response ${response.body.length} B`,
          ...commandCounts.map(([name, value]) => `${name} ${value}`),
        ],
      },
      pairs.map(({ subject, baseline }) => ({ subject: subject.perSecond, baseline: baseline.perSecond })),
    ),
    pairedRow(
      { ...row, measure: 'processor time per request', unit: 'µs' },
      pairs.map(({ subject, baseline }) => ({ subject: subject.cpuMicros, baseline: baseline.cpuMicros })),
    ),
  ];
}

/** Bytes per key that the service stores in Redis: fence, verified credential and response. */
async function redisBytesPerKey(url: string): Promise<number> {
  const client = new Redis(url);
  try {
    const names = (await client.keys('*')).filter((name) => !name.startsWith('bench:'));
    const lengths = await Promise.all(names.map((name) => client.strlen(name)));
    return Math.round(lengths.reduce((sum, length) => sum + length, 0) / KEYS);
  } finally {
    client.disconnect();
  }
}
