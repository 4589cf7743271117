import { join } from 'node:path';
import type { Parts } from './parts.ts';
import type { PortPlan } from './port-plan.ts';
import { startRedis } from './redis/server.ts';
import type { DevSecrets } from './secrets.ts';
import { serverLog } from './server-log.ts';
import type { StateDirectory } from './state-directory.ts';

/** Starts a Redis of our own and gives its URL; undefined when there is no binary. */
export async function startDevRedis(
  state: StateDirectory,
  plan: PortPlan,
  secrets: DevSecrets,
  parts: Parts,
  binary: string | undefined,
): Promise<string | undefined> {
  if (binary === undefined) return undefined;
  const log = serverLog(join(state.directory, 'logs', 'redis.log'));
  const server = await startRedis({
    binary,
    port: plan.redis,
    directory: state.redisDirectory,
    password: secrets.redisPassword,
    maxmemory: '64mb',
    onLog: log.write,
  });
  const { pid, exited } = server;
  parts.add({
    name: 'Redis',
    pid,
    exited,
    stage: 1,
    stop: () => server.stop(),
    loss: () => 'goes on',
    logTail: log.tail,
  });
  return server.url;
}
