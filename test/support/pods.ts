import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiResponse, authenticate, startRegional, type TestRegional } from './regional.ts';

/** Caches take their places in memory when they are made; a test that starts many pods needs few. */
const SMALL = { CACHE_MAX_ENTRIES: '20000' };

/** Regional services of one region, in this process. */
export interface Pods {
  /** Those that run now; `restart` replaces them. */
  readonly all: readonly TestRegional[];
  /** Asks every pod the same, at the same time. */
  authenticate(
    authorization: string | undefined,
    options?: Parameters<typeof authenticate>[2],
  ): Promise<ApiResponse[]>;
  /** Status and, for refusals, code of every pod's answer. */
  outcomes(authorization: string, options?: Parameters<typeof authenticate>[2]): Promise<string[]>;
  stop(): Promise<void>;
  /** The same pods again with the same settings, as after an outage: memory empty, Redis as it is. */
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
    const started = await Promise.all(
      Array.from({ length: count }, () =>
        startRegional(replicaUrl, { ...SMALL, ...shared, ...settings, ...more }),
      ),
    );
    await Promise.all(started.map(ready));
    return started;
  };
  let all = await start({});
  const askAll: Pods['authenticate'] = (authorization, options) =>
    Promise.all(all.map((pod) => authenticate(pod, authorization, options)));
  return {
    get all() {
      return all;
    },
    authenticate: askAll,
    outcomes: async (authorization, options) => (await askAll(authorization, options)).map(outcome),
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
export function outcome(answer: ApiResponse): string {
  return answer.status === 200 ? '200' : `${answer.status} ${answer.body.error.code}`;
}

/** Resolves when the service says that it is ready. */
async function ready(pod: TestRegional): Promise<void> {
  for (;;) {
    const answer = await fetch(`${pod.managementUrl}/readyz`);
    await answer.arrayBuffer(); // a body that is not read holds its connection open
    if (answer.ok) return;
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

/** Value of a metric without labels, or of the line with exactly these labels; `undefined` when there is none. */
export async function metric(pod: TestRegional, name: string): Promise<number | undefined> {
  const text = await (await fetch(`${pod.managementUrl}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}
