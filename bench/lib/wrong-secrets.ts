import { setTimeout as sleep } from 'node:timers/promises';
import { withWrongSecret } from './keys.ts';
import type { Generator } from './load/generator.ts';
import type { LoadResult } from './load/plan.ts';
import { projectRequest } from './one-project.ts';

const REQUESTS = 20_000;
/** Enough to keep argon2 and its queue busy without overflowing the queue. */
const CONNECTIONS = 64;
/**
 * Wrong secrets for keys with a tag cost little more than any other request, so without a limit they would only measure a
 * flood of requests. This is about four times what argon2 can compare.
 */
const TAGGED_PER_SECOND = 2_000;

/**
 * Starts a storm of distinct wrong secrets, and resolves when it is under way. `done` resolves to its result.
 * @param storm.name storms of the same name send the same secrets, of which caches know the result
 */
export async function startWrongSecrets(
  generator: Generator,
  port: number,
  storm: { keys: readonly { id: string }[]; name: string; seconds: number; tagged: boolean },
): Promise<{ done: Promise<LoadResult> }> {
  const requests = Array.from({ length: REQUESTS }, (_, index) => {
    const key = storm.keys[index % storm.keys.length] as { id: string };
    return projectRequest({ authorization: withWrongSecret(key, storm.name, index) });
  });
  const done = generator.run({
    port,
    requests,
    connections: CONNECTIONS,
    seconds: storm.seconds,
    ...(storm.tagged && { ratePerSecond: TAGGED_PER_SECOND }),
  });
  await sleep(500);
  return { done };
}
