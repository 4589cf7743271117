import { expect } from 'vitest';
import type { TestDatabases } from './databases.ts';
import { type IssuedKey, insertKey, revokeKey } from './keys.ts';
import type { Pods } from './pods.ts';
import { authenticate } from './regional.ts';

/**
 * Revokes warm keys one after another, and tries all of them again afterwards.
 * @returns for each revocation and pod, the milliseconds from the acknowledged commit to the first refusal; and every
 *   outcome that the further tries had
 */
export async function revokeWarmKeys(
  databases: TestDatabases,
  pods: Pods,
  { revocations, furtherTries }: { revocations: number; furtherTries: number },
): Promise<{ delaysMs: number[]; furtherOutcomes: Set<string> }> {
  const keys: IssuedKey[] = [];
  while (keys.length < revocations) {
    const missing = Math.min(50, revocations - keys.length);
    keys.push(...(await Promise.all(Array.from({ length: missing }, () => insertKey(databases.primary)))));
  }
  await databases.replicated();
  for (const key of keys) {
    expect(new Set(await pods.outcomes(key.authorization)), 'warm').toEqual(new Set(['200']));
  }

  const delaysMs: number[] = [];
  for (const key of keys) {
    await revokeKey(databases.primary, key.id);
    delaysMs.push(...(await firstRefusals(pods, key.authorization)));
  }

  const furtherOutcomes = new Set<string>();
  const batch = 20;
  for (let tries = 0, next = 0; tries < furtherTries; tries += batch * pods.all.length, next += batch) {
    const some = Array.from({ length: batch }, (_, nth) => keys[(next + nth) % keys.length] as IssuedKey);
    const outcomes = await Promise.all(some.map((key) => pods.outcomes(key.authorization)));
    for (const one of outcomes.flat()) furtherOutcomes.add(one);
  }
  return { delaysMs, furtherOutcomes };
}

/** Calls every pod without a pause and returns, per pod, the time until the first response other than 200. */
function firstRefusals(pods: Pods, authorization: string): Promise<number[]> {
  const committedAtMs = performance.now();
  return Promise.all(
    pods.all.map(async (pod) => {
      while ((await authenticate(pod, authorization)).status === 200);
      return performance.now() - committedAtMs;
    }),
  );
}
