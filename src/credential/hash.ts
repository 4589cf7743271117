import { timingSafeEqual } from 'node:crypto';
import argon2 from 'argon2';
import { type HashParameters, hashParametersProblem, parsePhc } from './phc.ts';

export { type HashParameters, hashBounds } from './phc.ts';

/** The stored hash is unusable: a fault of the service (503, never 401). The message contains no part of the hash. */
export class BrokenHashError extends Error {
  override readonly name = 'BrokenHashError';
}

/** `v=19`, the only version that `parsePhc` accepts. */
const ARGON2_VERSION = 0x13;

/**
 * Hashes with argon2id and a random salt of 16 bytes; returns a PHC string.
 * @throws RangeError when a parameter is outside `hashBounds`, because `verifySecret` would reject such a hash
 */
export async function hashSecret(secret: string, parameters: HashParameters): Promise<string> {
  const problem = hashParametersProblem(parameters);
  if (problem !== undefined) throw new RangeError(`hash parameters: ${problem}`);
  return argon2.hash(secret, {
    type: argon2.argon2id,
    memoryCost: parameters.memoryKiB,
    timeCost: parameters.timeCost,
    parallelism: parameters.parallelism,
  });
}

/**
 * Returns whether the secret matches the stored hash; compares in constant time.
 * @throws BrokenHashError when the PHC string does not parse or exceeds `hashBounds`. Other errors come from argon2, such as lack of memory.
 */
export async function verifySecret(phc: string, secret: string): Promise<boolean> {
  const parsed = parsePhc(phc);
  if (!parsed.ok) throw new BrokenHashError(`the stored hash is unusable: ${parsed.problem}`);
  const { parameters, salt, digest } = parsed;
  // Not `argon2.verify`, which parses the string again and less strictly.
  const expected = await argon2.hash(secret, {
    raw: true,
    type: argon2.argon2id,
    version: ARGON2_VERSION,
    memoryCost: parameters.memoryKiB,
    timeCost: parameters.timeCost,
    parallelism: parameters.parallelism,
    hashLength: digest.length,
    salt,
  });
  return timingSafeEqual(expected, digest);
}
