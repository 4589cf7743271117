import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, inject, it, onTestFinished } from 'vitest';
import { workingDirectoryOf } from '../../../dev/child-process.ts';
import { freePort } from '../../../dev/ports.ts';
import { findRedisBinary } from '../../../dev/redis/binary.ts';
import { type RedisOptions, startRedis } from '../../../dev/redis/server.ts';
import { startTestRedis } from '../../support/servers/redis.ts';
import { runScript } from '../../support/servers/run-script.ts';

function client(url: string): Redis {
  const redis = new Redis(url, { commandTimeout: 300, maxRetriesPerRequest: 0, retryStrategy: () => null });
  redis.on('error', () => {});
  onTestFinished(() => redis.disconnect());
  return redis;
}

async function start(options: Partial<RedisOptions> = {}) {
  const server = await startRedis({ port: await freePort(), ...options });
  onTestFinished(() => server.kill());
  return server;
}

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'regional-iam-redis-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

// A shared server (TEST_REDIS_URL, a container) offers no process to start or to signal.
const onlyShared = () => inject('redis').kind !== 'binary';

it('pauses, resumes, kills and restarts the Redis of a test at the same URL', async () => {
  const server = await startTestRedis();
  onTestFinished(() => server.stop());
  const before = client(server.url);
  await before.set('key', 'value');

  server.pause();
  await expect(before.get('key')).rejects.toThrow('timed out');
  await server.resume();
  expect(await client(server.url).get('key')).toBe('value');

  await server.kill();
  await expect(client(server.url).get('key')).rejects.toThrow();
  await server.restart();
  expect(await client(server.url).get('key')).toBeNull();
});

it.skipIf(onlyShared())('listens on loopback only and requires its password', async () => {
  const server = await start({ password: 'p"a\\ss word' });
  expect(await client(server.url).ping()).toBe('PONG');
  await expect(client(`redis://127.0.0.1:${server.port}`).ping()).rejects.toThrow('NOAUTH');
  const bound = (await client(server.url).config('GET', 'bind')) as string[];
  expect(bound[1]).toBe('127.0.0.1');
});

it.skipIf(onlyShared())('evicts keys when Redis reaches maxmemory', async () => {
  const server = await start({ maxmemory: '3mb' });
  const redis = client(server.url);
  for (let index = 0; index < 100; index++) await redis.set(`key-${index}`, 'x'.repeat(50_000));
  expect(await redis.dbsize()).toBeLessThan(100);
});

it.skipIf(onlyShared())(
  'keeps its data across a restart and stops the server that a killed supervisor left',
  async () => {
    const directory = await temporaryDirectory();
    const first = await start({ directory });
    await client(first.url).set('key', 'value');
    await first.stop();

    const port = await freePort();
    const abandoned = await runScript(`
    import { startRedis } from '${join(import.meta.dirname, '../../../dev/redis/server.ts')}';
    const server = await startRedis({ port: ${port}, directory: '${directory}' });
    console.log(server.pid);
    process.kill(process.pid, 'SIGKILL');`);
    expect(await workingDirectoryOf(Number(abandoned))).toBe(directory);

    const next = await start({ directory, port });
    expect(await workingDirectoryOf(Number(abandoned))).toBeUndefined();
    expect(await client(next.url).get('key')).toBe('value');
  },
);

it.skipIf(onlyShared())('fails with the reason when Redis cannot start', async () => {
  const running = await start();
  await expect(start({ port: running.port })).rejects.toThrow(/did not start[\s\S]*Address already in use/);
});

it('finds no binary on a PATH without one', async () => {
  expect(await findRedisBinary('/nonexistent')).toBeUndefined();
});
