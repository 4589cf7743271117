import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { startBaseline } from '../lib/baseline.ts';
import type { Bench } from '../lib/bench.ts';
import { exchange } from '../lib/exchange.ts';
import { benchKeys, CHEAP_HASH } from '../lib/keys.ts';
import { loadedSide, told } from '../lib/loaded-side.ts';
import { tierShare } from '../lib/metrics.ts';
import { projectRequest, viewerRow } from '../lib/one-project.ts';
import { alternate } from '../lib/pairs.ts';
import { createRegionDatabase, insertKeys } from '../lib/region-database.ts';
import { startRegional } from '../lib/regional.ts';
import { pairedRow, type Row } from '../lib/row.ts';
import { startBenchPostgres, startBenchRedis } from '../lib/servers.ts';

const CONNECTIONS = 32;
const KEYS = 2_000;
/** So few that none is left when its key's turn comes again. */
const ENTRIES_IN_MEMORY = 8;
/**
 * Until the compiler rests; and longer than an answer counts as one from before the last change of its roles, which
 * arrived as the service started.
 */
const WARM_UP_SECONDS = 15;

/**
 * Answers from Redis, nothing from memory: the service may keep few entries of each kind, and two thousand
 * keys take turns. The deadline of a Redis command is long, since 32 callers that never pause keep the loop busy for
 * longer than the default allows. The baseline reads one value of the answer's size with one GET and sends it.
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
  const answer = await exchange(service.port, requests[0] as Buffer);
  if (answer.status !== 200) throw new Error(`the service answered ${answer.status}: ${answer.body}`);
  const bare = await startBaseline(bench, 'baselines/redis-fastify.ts', {
    REDIS_URL: redis.url,
    ANSWER: answer.body,
  });
  const generator = bench.generator();
  bench.log('warming up both sides');
  for (const { port } of [service, bare]) {
    await generator.run({ port, requests, connections: CONNECTIONS, seconds: WARM_UP_SECONDS });
  }

  const sealedBytes = await bytesForEachKey(redis.url);
  const plan = { requests, connections: CONNECTIONS };
  const before = await service.metrics();
  const pairs = await alternate(
    bench.options.pairs,
    loadedSide(bench, generator, service, plan),
    loadedSide(bench, generator, bare, plan),
    ({ subject, baseline }) => bench.log(`${told(subject)} against ${told(baseline)}`),
  );
  const after = await service.metrics();
  const late = [...after].filter(([name]) => name.startsWith('iam_redis_commands_total'));
  const row = { case: 'redis-hit', against: 'Fastify route with one ioredis GET, same answer' };
  return [
    pairedRow(
      {
        ...row,
        measure: 'throughput',
        unit: 'req/s',
        target: { bound: 'at least', value: 0.85 },
        notes: [
          `${(tierShare(before, after, 'redis') * 100).toFixed(2)} % answered from Redis`,
          `${sealedBytes} B in Redis for each key (fence, credential, answer); answer ${answer.body.length} B`,
          ...late.map(([name, value]) => `${name} ${value}`),
        ],
      },
      pairs.map(({ subject, baseline }) => ({ subject: subject.perSecond, baseline: baseline.perSecond })),
    ),
    pairedRow(
      { ...row, measure: 'processor time a request', unit: 'µs' },
      pairs.map(({ subject, baseline }) => ({ subject: subject.cpuMicros, baseline: baseline.cpuMicros })),
    ),
  ];
}

/** What the service keeps in Redis for a key: fence, verified credential and answer. */
async function bytesForEachKey(url: string): Promise<number> {
  const client = new Redis(url);
  try {
    const names = (await client.keys('*')).filter((name) => !name.startsWith('bench:'));
    const lengths = await Promise.all(names.map((name) => client.strlen(name)));
    return Math.round(lengths.reduce((sum, length) => sum + length, 0) / KEYS);
  } finally {
    client.disconnect();
  }
}
