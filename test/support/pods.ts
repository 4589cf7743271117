import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiResponse, authenticate, startRegional, type TestRegional } from './regional.ts';

/** Caches allocate memory at their creation, so a test with many pods keeps them small. */
const SMALL = { CACHE_MAX_ENTRIES: '20000' };

/** Regional services of one region, in this process. */
export interface Pods {
  /** The running pods; `restart` replaces them. */
  readonly all: readonly TestRegional[];
  /** Sends the same request to every pod at the same time. */
  authenticate(
    authorization: string | undefined,
    options?: Parameters<typeof authenticate>[2],
  ): Promise<ApiResponse[]>;
  /** Status and, for refusals, error code of every pod's response. */
  outcomes(authorization: string, options?: Parameters<typeof authenticate>[2]): Promise<string[]>;
  /** The different outcomes of many keys on every pod. */
  outcomesOf(keys: readonly { authorization: string }[]): Promise<Set<string>>;
  stop(): Promise<void>;
  /** Restarts the pods with the same settings: memory is empty, Redis is unchanged. */
  restart(settings?: Record<string, string>): Promise<void>;
}

/**
 * Starts pods that share a replica and, with `redisUrl`, a Redis; resolves when each is ready.
 * @param settings environment of every pod, over the defaults
 */
export async function startPods(
  count: number,
  replicaUrl: string,
  redisUrl?: string,
  settings: Record<string, string> = {},
): Promise<Pods> {
  const shared =
    redisUrl === undefined ? {} : { REDIS_URL: redisUrl, CACHE_KEYS: randomBytes(32).toString('base64') };
  const start = async (more: Record<string, string>) => {
    const environment = { ...SMALL, ...shared, ...settings, ...more };
    return await Promise.all(Array.from({ length: count }, () => startRegional(replicaUrl, environment)));
  };
  let all = await start({});
  const authenticateOnAll: Pods['authenticate'] = (authorization, options) =>
    Promise.all(all.map((pod) => authenticate(pod, authorization, options)));
  return {
    get all() {
      return all;
    },
    authenticate: authenticateOnAll,
    outcomes: async (authorization, options) =>
      (await authenticateOnAll(authorization, options)).map(outcome),
    outcomesOf: async (keys) => {
      const responses = await Promise.all(keys.map(({ authorization }) => authenticateOnAll(authorization)));
      return new Set(responses.flat().map(outcome));
    },
    stop: async () => {
      await Promise.all(all.map((pod) => pod.close()));
      all = [];
    },
    restart: async (more = {}) => {
      await Promise.all(all.map((pod) => pod.close()));
      all = await start(more);
    },
  };
}

/** `200`, or status and code of a refusal. */
export function outcome(response: ApiResponse): string {
  return response.status === 200 ? '200' : `${response.status} ${response.body.error.code}`;
}

/** Resolves when the pod has applied every change that its replica had at the time of the call. */
export async function changesApplied(pod: TestRegional): Promise<void> {
  const calledAtMs = Date.now();
  for (;;) {
    const scrapedAtMs = Date.now();
    const ageSeconds = await metric(pod, 'iam_change_feed_age_seconds');
    if (ageSeconds !== undefined && scrapedAtMs - ageSeconds * 1_000 >= calledAtMs) return;
    await sleep(10);
  }
}

/** Value of a metric without labels, or of the line with exactly these labels; `undefined` when there is none. */
export async function metric(pod: { managementUrl: string }, name: string): Promise<number | undefined> {
  const text = await (await fetch(`${pod.managementUrl}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}
