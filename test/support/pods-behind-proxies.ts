import { randomBytes } from 'node:crypto';
import { outcome } from './pods.ts';
import { authenticate, startRegional, type TestRegional } from './regional.ts';
import { startTcpProxy, type TcpProxy } from './servers/tcp-proxy.ts';

type CallOptions = Parameters<typeof authenticate>[2];

/** A pod whose connections to the replica can be broken without those of others. */
export interface PodBehindProxy {
  proxy: TcpProxy;
  service: TestRegional;
  /** `200`, or status and code of the refusal. */
  ask(authorization: string, options?: CallOptions): Promise<string>;
  /** Status and obstacles of /readyz. */
  readiness(): Promise<{ status: number; obstacles: string[] }>;
}

export interface PodsBehindProxies {
  readonly pods: readonly PodBehindProxy[];
  stop(): Promise<void>;
}

/** Starts pods that share a Redis, each behind a proxy of its own in front of the replica; resolves when all are ready. */
export async function startPodsBehindProxies(
  count: number,
  replicaUrl: string,
  redisUrl: string,
  settings: Record<string, string> = {},
): Promise<PodsBehindProxies> {
  const shared = {
    CACHE_MAX_ENTRIES: '20000',
    REDIS_URL: redisUrl,
    REDIS_TIMEOUT_MS: '500',
    CACHE_KEYS: randomBytes(32).toString('base64'),
    ...settings,
  };
  const pods = await Promise.all(
    Array.from({ length: count }, async (): Promise<PodBehindProxy> => {
      const url = new URL(replicaUrl);
      const proxy = await startTcpProxy({ targetPort: Number(url.port) });
      url.port = String(proxy.port);
      const service = await startRegional(url.href, shared);
      return {
        proxy,
        service,
        ask: async (authorization, options) => outcome(await authenticate(service, authorization, options)),
        readiness: async () => {
          const response = await fetch(`${service.managementUrl}/readyz`);
          const { obstacles = [] } = (await response.json()) as { obstacles?: string[] };
          return { status: response.status, obstacles };
        },
      };
    }),
  );
  return {
    pods,
    stop: async () => {
      await Promise.all(pods.map(({ service }) => service.close()));
      await Promise.all(pods.map(({ proxy }) => proxy.close()));
    },
  };
}
