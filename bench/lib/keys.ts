import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { encodeCredential, generateCredential } from '../../src/credential/format.ts';
import { type HashParameters, hashSecret } from '../../src/credential/hash.ts';
import { loadOrCreate } from './data-cache.ts';

export const PREFIX = 'essu_bench';

/** The smallest valid argon2id parameters, for cases that do not measure argon2. */
export const CHEAP_HASH: HashParameters = { memoryKiB: 8, timeCost: 1, parallelism: 1 };

/** The default parameters of the service for new hashes. */
export const DEFAULT_HASH: HashParameters = { memoryKiB: 4_096, timeCost: 1, parallelism: 1 };

/** A key of the benchmark. It exists only in a temporary database. */
export interface BenchKey {
  id: string;
  secret: string;
  secretHash: string;
  authorization: string;
}

/** Returns keys that are the same in every run. Hashing is slow, so the temporary directory caches the hashes. */
export async function benchKeys(
  seed: string,
  count: number,
  parameters: HashParameters,
): Promise<BenchKey[]> {
  const { memoryKiB, timeCost, parallelism } = parameters;
  const name = `keys-${seed}-${count}-m${memoryKiB}t${timeCost}p${parallelism}.json`;
  const stored = await loadOrCreate(name, () => hashAll(seed, count, parameters));
  return stored.map(({ secretHash }, index) => ({ ...credentialAt(seed, index), secretHash }));
}

async function hashAll(seed: string, count: number, parameters: HashParameters) {
  const hashed: { secretHash: string }[] = [];
  const batchSize = availableParallelism() * 2;
  for (let first = 0; first < count; first += batchSize) {
    const batch = Array.from({ length: Math.min(batchSize, count - first) }, async (_, offset) => {
      const { secret } = credentialAt(seed, first + offset);
      return { secretHash: await hashSecret(secret, parameters) };
    });
    hashed.push(...(await Promise.all(batch)));
  }
  return hashed;
}

/** Returns a well-formed credential. It does not create a key. */
export function credentialAt(seed: string, index: number): Omit<BenchKey, 'secretHash'> {
  let part = 0;
  const credential = generateCredential((bytes) => {
    part += 1;
    return createHash('sha256').update(`${seed} ${index} ${part}`).digest().subarray(0, bytes);
  });
  const { id, secret } = credential;
  return { id, secret, authorization: `ApiKey ${encodeCredential(PREFIX, credential)}` };
}

/** Returns a credential with the id of a real key and a wrong secret. The service verifies it with argon2 and refuses it. */
export function withWrongSecret(key: { id: string }, seed: string, index: number): string {
  const { secret } = credentialAt(`wrong ${seed}`, index);
  return `ApiKey ${encodeCredential(PREFIX, { id: key.id, secret, layout: 'v1' })}`;
}
