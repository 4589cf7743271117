import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiResponse, authenticate, startRegional, type TestRegional } from './regional.ts';

/** Keeps the memory of a test with many pods small. */
const SMALL = { CACHE_MAX_ENTRIES: '20000' };

/** Regional services of one region, in this process. */
export interface Pods {
  /** The running pods; `restart` replaces them. */
  readonly all: readonly TestRegional[];
  /** Sends the same request to every pod at once. */
  authenticate(
    authorization: string | undefined,
    options?: Parameters<typeof authenticate>[2],
  ): Promise<ApiResponse[]>;
  /** Status of every pod's response, with the code of a refusal. */
  outcomes(authorization: string, options?: Parameters<typeof authenticate>[2]): Promise<string[]>;
  stop(): Promise<void>;
  /** Restarts the pods with the same settings, as after an outage: memory is empty, Redis is not. */
  restart(settings?: Record<string, string>): Promise<void>;
}

/**
 * Starts pods that share a replica and, with `redisUrl`, a Redis; resolves when all are ready.
 * @param settings environment of every pod, overrides the defaults
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
    const started = await Promise.all(
      Array.from({ length: count }, () =>
        startRegional(replicaUrl, { ...SMALL, ...shared, ...settings, ...more }),
      ),
    );
    await Promise.all(started.map(ready));
    return started;
  };
  let all = await start({});
  const authenticateAll: Pods['authenticate'] = (authorization, options) =>
    Promise.all(all.map((pod) => authenticate(pod, authorization, options)));
  return {
    get all() {
      return all;
    },
    authenticate: authenticateAll,
    outcomes: async (authorization, options) => (await authenticateAll(authorization, options)).map(outcome),
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

/** `200`, or the status and code of a refusal. */
export function outcome(response: ApiResponse): string {
  return response.status === 200 ? '200' : `${response.status} ${response.body.error.code}`;
}

/** Resolves when the pod is ready. */
async function ready(pod: TestRegional): Promise<void> {
  for (;;) {
    const response = await fetch(`${pod.managementUrl}/readyz`);
    await response.arrayBuffer(); // an unread body keeps its connection open
    if (response.ok) return;
    await sleep(10);
  }
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

/** @param name with its labels, exactly as in the exposition format; @returns `undefined` if there is no such line */
export async function metric(pod: TestRegional, name: string): Promise<number | undefined> {
  const text = await (await fetch(`${pod.managementUrl}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}
