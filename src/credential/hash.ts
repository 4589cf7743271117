import { timingSafeEqual } from 'node:crypto';
import argon2 from 'argon2';
import { type HashParameters, hashParametersProblem, parsePhc } from './phc.ts';

export { type HashParameters, hashBounds } from './phc.ts';

/** A stored hash that cannot be used: our fault, not the caller's (503, never 401). Its message holds no part of the hash. */
export class BrokenHashError extends Error {
  override readonly name = 'BrokenHashError';
}

/** `v=19`, the only one that `parsePhc` lets through. */
const ARGON2_VERSION = 0x13;

/**
 * Hashes with argon2id and a random salt of 16 bytes; answers a PHC string.
 * @throws RangeError when a parameter is outside `hashBounds`: such a hash could be written but never be verified.
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
 * Whether the secret is the one behind the stored hash, compared in constant time.
 * @throws BrokenHashError when the PHC string does not parse or asks for more than `hashBounds`. Any other error is argon2's own, such as no memory.
 */
export async function verifySecret(phc: string, secret: string): Promise<boolean> {
  const parsed = parsePhc(phc);
  if (!parsed.ok) throw new BrokenHashError(`the stored hash cannot be used: ${parsed.problem}`);
  const { parameters, salt, digest } = parsed;
  // Not `argon2.verify`: it parses the string a second time, and less strictly.
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
