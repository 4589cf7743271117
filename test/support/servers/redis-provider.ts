import { findRedisBinary } from '../../../dev/redis/binary.ts';
import { canInstallWithApt, installRedisWithApt } from './apt-redis.ts';

/**
 * How this run gets its Redis. `binary`: each caller starts a process of its own. `server`: one server that
 * all share, somebody else's (TEST_REDIS_URL) or a container.
 */
export type RedisProvision = { kind: 'binary'; binary: string } | { kind: 'server'; url: string };

interface Provided {
  provision: RedisProvision;
  release: () => Promise<void>;
}

const nothingToRelease = async () => {};

/**
 * Finds a Redis in the order TEST_REDIS_URL, a binary on the PATH, a container, Debian's package (as root).
 * @throws Error that says what to install, and why each of the ways was closed
 */
export async function provideRedis(env: NodeJS.ProcessEnv = process.env): Promise<Provided> {
  const url = env.TEST_REDIS_URL;
  if (url) return { provision: { kind: 'server', url }, release: nothingToRelease };

  const binary = await findRedisBinary(env.PATH);
  if (binary) return { provision: { kind: 'binary', binary }, release: nothingToRelease };

  const refusals: string[] = [];
  try {
    return await startContainer();
  } catch (error) {
    refusals.push(`a container: ${(error as Error).message}`);
  }

  if (canInstallWithApt()) {
    try {
      const installed = await installRedisWithApt();
      return { provision: { kind: 'binary', binary: installed }, release: nothingToRelease };
    } catch (error) {
      refusals.push(`apt-get install redis-server: ${(error as Error).message}`);
    }
  } else {
    refusals.push('apt-get install redis-server: only as root on Debian');
  }
  throw new Error(
    [
      'The tests need a real Redis. Install redis-server (or valkey-server) so that it is on the PATH,',
      'or start Docker, or set TEST_REDIS_URL=redis://host:port to a server whose databases may be emptied.',
      'Tried: TEST_REDIS_URL (not set), redis-server and valkey-server on the PATH (none),',
      ...refusals.map((refusal) => `  ${refusal}`),
    ].join('\n'),
  );
}

async function startContainer(): Promise<Provided> {
  // Loaded here because it is big and hardly ever needed.
  const { GenericContainer } = await import('testcontainers');
  const container = await new GenericContainer('redis:7-alpine').withExposedPorts(6379).start();
  const url = `redis://${container.getHost()}:${container.getMappedPort(6379)}`;
  return {
    provision: { kind: 'server', url },
    release: async () => {
      await container.stop();
    },
  };
}
