import { Redis } from 'ioredis';
import { inject } from 'vitest';
import { freePort } from '../../../dev/ports.ts';
import { type RedisServer, startRedis } from '../../../dev/redis/server.ts';
import { startTcpProxy } from './tcp-proxy.ts';

export interface TestRedis {
  /** Stays the same across `kill` and `restart`. */
  readonly url: string;
  /** Stops responding but keeps connections open until `resume`, which responds to the backlog or resets connections. */
  pause(): void;
  resume(): Promise<void>;
  /** Resets every connection and refuses new ones, until `restart`. */
  kill(): Promise<void>;
  /** Starts an empty Redis at the same URL. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts an empty Redis for one test file, with the faults that tests need.
 *
 * With a binary, each caller gets its own process: `kill` is SIGKILL and `pause` is SIGSTOP. A shared server
 * (TEST_REDIS_URL or a container) must keep running for other files, so a TCP proxy in front of it simulates the faults:
 * `kill` cuts, `pause` drops everything, and `resume` then resets. Each caller gets one of the databases 1 to 15, emptied
 * first.
 */
export async function startTestRedis(options: { maxmemory?: string } = {}): Promise<TestRedis> {
  const provision = inject('redis');
  if (provision.kind === 'binary') return await startOwnProcess(provision.binary, options);
  if (provision.kind === 'none') throw new Error('Redis is missing; test/support/tools.ts skips such tests.');
  return await shareServer(provision.url, options);
}

/** The binary for tests that configure their own server; `undefined` with a shared server or a container. */
export function redisBinary(): string | undefined {
  const provision = inject('redis');
  return provision.kind === 'binary' ? provision.binary : undefined;
}

async function startOwnProcess(binary: string, options: { maxmemory?: string }): Promise<TestRedis> {
  const port = await freePort();
  // Not detached, so that Ctrl-C on the test run also stops it.
  const start = (): Promise<RedisServer> => startRedis({ ...options, binary, port, detached: false });
  let server = await start();
  return {
    url: server.url,
    pause: () => server.pause(),
    resume: async () => server.resume(),
    kill: () => server.kill(),
    restart: async () => {
      await server.kill();
      server = await start();
    },
    stop: () => server.kill(),
  };
}

async function shareServer(sharedUrl: string, options: { maxmemory?: string }): Promise<TestRedis> {
  if (options.maxmemory)
    throw new Error('A test that limits the memory of Redis needs a redis-server binary.');
  const control = new Redis(sharedUrl, { maxRetriesPerRequest: 1 });
  const database = ((await control.incr('regional-iam-test:databases')) % 15) + 1;
  await control.select(database);
  await control.flushdb();

  const target = new URL(sharedUrl);
  const proxy = await startTcpProxy({ targetHost: target.hostname, targetPort: Number(target.port || 6379) });
  const url = new URL(sharedUrl);
  url.hostname = '127.0.0.1';
  url.port = String(proxy.port);
  url.pathname = `/${database}`;
  return {
    url: url.href,
    pause: () => proxy.blackhole(),
    resume: () => proxy.restore(),
    kill: () => proxy.cut(),
    restart: async () => {
      await proxy.cut();
      await control.flushdb();
      await proxy.restore();
    },
    stop: async () => {
      await proxy.close();
      control.disconnect();
    },
  };
}
