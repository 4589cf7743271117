import { BrokenHashError, verifySecret } from '../credential/hash.ts';
import { type KeyRecord, QuarantinedKeyError } from './key-record.ts';
import type { LoadedKey } from './key-store.ts';

/** Which of a key's secrets was presented. */
export type SecretMatch = 'current' | 'previous' | 'none';

/** Compares a presented secret with the hashes of a key. Throws `QuarantinedKeyError` when a hash is broken. */
export interface SecretVerifier {
  /** @param digest digest of the presented credential, `credentialDigest` */
  match(loaded: LoadedKey, secret: string, digest: string): Promise<SecretMatch>;
}

/**
 * The comparison itself: argon2 against the current hash and, while a rotation's grace period runs, the previous one.
 * Costs milliseconds of a thread and mebibytes of memory each time: wrap it in a bounded queue.
 */
export class Argon2SecretVerifier implements SecretVerifier {
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  async match({ record }: LoadedKey, secret: string): Promise<SecretMatch> {
    if (await verify(record, record.secretHash, 'secret_hash', secret)) return 'current';
    const { previousSecretHash, previousSecretExpiresAtMs } = record;
    if (previousSecretHash === null || previousSecretExpiresAtMs === null) return 'none';
    if (previousSecretExpiresAtMs <= this.#now()) return 'none';
    return (await verify(record, previousSecretHash, 'previous_secret_hash', secret)) ? 'previous' : 'none';
  }
}

async function verify(record: KeyRecord, hash: string, column: string, secret: string): Promise<boolean> {
  try {
    return await verifySecret(hash, secret);
  } catch (error) {
    if (error instanceof BrokenHashError) throw new QuarantinedKeyError(record.id, column);
    throw error;
  }
}
