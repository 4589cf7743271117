import { findRedisBinary } from '../../../dev/redis/binary.ts';

/**
 * The Redis of a test run. `binary`: each caller starts its own process. `server`: all callers share one server
 * (TEST_REDIS_URL or a container). `none`: the run skips tests that need Redis.
 */
export type RedisProvision =
  | { kind: 'binary'; binary: string }
  | { kind: 'server'; url: string }
  | { kind: 'none' };

interface Provided {
  provision: RedisProvision;
  release: () => Promise<void>;
}

/** Provides Redis from TEST_REDIS_URL, a binary on the PATH or a container, in this order. */
export async function provideRedis(env: NodeJS.ProcessEnv = process.env): Promise<Provided> {
  const release = async () => {};
  const url = env.TEST_REDIS_URL;
  if (url) return { provision: { kind: 'server', url }, release };
  const binary = await findRedisBinary(env.PATH);
  if (binary) return { provision: { kind: 'binary', binary }, release };
  if (await hasContainerEngine()) return await startContainer();
  return { provision: { kind: 'none' }, release };
}

/** Whether a container engine such as Docker responds. */
export async function hasContainerEngine(): Promise<boolean> {
  // Loaded on demand: the package is big and rarely needed.
  const { getContainerRuntimeClient } = await import('testcontainers');
  return await getContainerRuntimeClient().then(
    () => true,
    () => false,
  );
}

async function startContainer(): Promise<Provided> {
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
