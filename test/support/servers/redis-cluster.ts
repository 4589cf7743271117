import { Redis } from 'ioredis';
import { inject } from 'vitest';
import { freePort } from '../../../dev/ports.ts';
import { type RedisServer, startRedis } from '../../../dev/redis/server.ts';

/** A Redis Cluster of three masters, on loopback. */
export interface TestRedisCluster {
  /** Of the first node. */
  url: string;
  nodes: readonly RedisServer[];
  stop(): Promise<void>;
}

const SLOTS = 16_384;

/** Whether this machine has a Redis binary; a shared server cannot form a cluster. */
export function canStartCluster(): boolean {
  return inject('redis').kind === 'binary';
}

/** Starts three nodes with a password and joins them; resolves when all slots are served. */
export async function startTestRedisCluster(directory: string, password: string): Promise<TestRedisCluster> {
  const nodes: RedisServer[] = [];
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.kill()));
  };
  try {
    for (const name of ['a', 'b', 'c']) nodes.push(await startNode(`${directory}/${name}`, password));
    await join(nodes);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: (nodes[0] as RedisServer).url, nodes, stop };
}

/** A node also listens on the port 10,000 above its first. If that port is in use, tries other ports. */
async function startNode(directory: string, password: string): Promise<RedisServer> {
  const provision = inject('redis');
  if (provision.kind !== 'binary') throw new Error('A Redis Cluster needs a redis-server binary.');
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startRedis({
        binary: provision.binary,
        port: await freePort(),
        directory,
        password,
        detached: false,
        args: ['--cluster-enabled', 'yes', '--masterauth', password],
      });
    } catch (error) {
      if (attempt === 5) throw error;
    }
  }
}

async function join(nodes: readonly RedisServer[]): Promise<void> {
  const clients = nodes.map((node) => new Redis(node.url));
  const [first] = clients as [Redis];
  const share = Math.ceil(SLOTS / nodes.length);
  for (const [index, client] of clients.entries()) {
    await client.cluster('ADDSLOTSRANGE', index * share, Math.min((index + 1) * share, SLOTS) - 1);
    await client.cluster('SET-CONFIG-EPOCH', index + 1);
  }
  for (const node of nodes.slice(1)) await first.cluster('MEET', '127.0.0.1', node.port);
  for (const client of clients) {
    while (!(await client.cluster('INFO')).includes('cluster_state:ok')) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    client.disconnect();
  }
}
