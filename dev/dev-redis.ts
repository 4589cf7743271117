import { join } from 'node:path';
import { openLogFile } from './log-files.ts';
import type { PortPlan } from './port-plan.ts';
import type { ProcessGroup } from './process-group.ts';
import { startRedis } from './redis/server.ts';
import type { DevSecrets } from './secrets.ts';
import type { StateDirectory } from './state-directory.ts';

/** Starts Redis and returns its URL; undefined without a binary. */
export async function startDevRedis(
  state: StateDirectory,
  plan: PortPlan,
  secrets: DevSecrets,
  processes: ProcessGroup,
  binary: string | undefined,
): Promise<string | undefined> {
  if (binary === undefined) return undefined;
  const log = openLogFile(join(state.directory, 'logs', 'redis.log'));
  const server = await startRedis({
    binary,
    port: plan.redis,
    directory: state.redisDirectory,
    password: secrets.redisPassword,
    maxmemory: '64mb',
    onLog: log.write,
  });
  const { pid, exited } = server;
  processes.add({
    name: 'Redis',
    pid,
    exited,
    stage: 1,
    stop: () => server.stop(),
    exitEffect: () => 'degraded',
    logTail: log.tail,
  });
  return server.url;
}
