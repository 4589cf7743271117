import { BrokenHashError, verifySecret } from '../credential/hash.ts';
import type { HasPassed } from './expiry.ts';
import { type KeyRecord, QuarantinedKeyError } from './key-record.ts';
import type { LoadedKey } from './key-store.ts';

/** The secret of the key that the caller presented. */
export type SecretMatch = 'current' | 'previous' | 'none';

/** Compares a presented secret with the hashes of a key. Throws `QuarantinedKeyError` for an invalid hash. */
export interface SecretVerifier {
  /** @param digest digest of the presented credential, `credentialDigest` */
  match(loaded: LoadedKey, secret: string, digest: string): Promise<SecretMatch>;
}

/**
 * Compares with argon2: against the current hash and, during the grace period of a rotation, the previous one. Each
 * call costs milliseconds of a thread and mebibytes of memory, so wrap it in a bounded queue.
 */
export class Argon2SecretVerifier implements SecretVerifier {
  readonly #hasPassed: HasPassed;

  constructor(hasPassed: HasPassed) {
    this.#hasPassed = hasPassed;
  }

  async match({ record }: LoadedKey, secret: string): Promise<SecretMatch> {
    if (await verify(record, record.secretHash, 'secret_hash', secret)) return 'current';
    const { previousSecretHash, previousSecretExpiresAtMs } = record;
    if (previousSecretHash === null || previousSecretExpiresAtMs === null) return 'none';
    if (this.#hasPassed(previousSecretExpiresAtMs)) return 'none';
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
