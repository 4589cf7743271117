import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { encodeCredential, generateCredential } from '../../src/credential/format.ts';
import { type HashParameters, hashSecret } from '../../src/credential/hash.ts';
import { cached } from './data-cache.ts';

export const PREFIX = 'essu_bench';

/** The smallest argon2id there is: for cases that are not about argon2. */
export const CHEAP_HASH: HashParameters = { memoryKiB: 8, timeCost: 1, parallelism: 1 };

/** What the service makes new hashes with when nobody sets anything. */
export const DEFAULT_HASH: HashParameters = { memoryKiB: 4_096, timeCost: 1, parallelism: 1 };

/** A key of the benchmark. It exists only in a database that is thrown away. */
export interface BenchKey {
  id: string;
  secret: string;
  secretHash: string;
  authorization: string;
}

/** Keys that are the same in every run; hashing them takes a while, so they are kept in the temporary directory. */
export async function benchKeys(
  seed: string,
  count: number,
  parameters: HashParameters,
): Promise<BenchKey[]> {
  const { memoryKiB, timeCost, parallelism } = parameters;
  const name = `keys-${seed}-${count}-m${memoryKiB}t${timeCost}p${parallelism}.json`;
  const stored = await cached(name, () => hashAll(seed, count, parameters));
  return stored.map(({ secretHash }, index) => ({ ...credentialAt(seed, index), secretHash }));
}

async function hashAll(seed: string, count: number, parameters: HashParameters) {
  const hashed: { secretHash: string }[] = [];
  const atOnce = availableParallelism() * 2;
  for (let first = 0; first < count; first += atOnce) {
    const batch = Array.from({ length: Math.min(atOnce, count - first) }, async (_, offset) => {
      const { secret } = credentialAt(seed, first + offset);
      return { secretHash: await hashSecret(secret, parameters) };
    });
    hashed.push(...(await Promise.all(batch)));
  }
  return hashed;
}

/** A credential that is well-formed; whether a key stands behind it is another question. */
export function credentialAt(seed: string, index: number): Omit<BenchKey, 'secretHash'> {
  let part = 0;
  const credential = generateCredential((bytes) => {
    part += 1;
    return createHash('sha256').update(`${seed} ${index} ${part}`).digest().subarray(0, bytes);
  });
  const { id, secret } = credential;
  return { id, secret, authorization: `ApiKey ${encodeCredential(PREFIX, credential)}` };
}

/** The credential of a real key's id with another secret: it costs the service a comparison and is refused. */
export function withWrongSecret(key: { id: string }, seed: string, index: number): string {
  const { secret } = credentialAt(`wrong ${seed}`, index);
  return `ApiKey ${encodeCredential(PREFIX, { id: key.id, secret, layout: 'v1' })}`;
}
