import { BrokenHashError, verifySecret } from '../credential/hash.ts';
import { secretTag, tagsMatch } from '../credential/secret-tag.ts';
import type { HasPassed } from './expiry.ts';
import { type KeyRecord, QuarantinedKeyError } from './key-record.ts';
import type { LoadedKey } from './key-store.ts';

/** The secret of the key that the caller presented. */
export type SecretMatch = 'current' | 'previous' | 'none';

/** Whether a caller no longer waits for the result, because its connection is closed. */
export type IsGone = () => boolean;

/** Compares a presented secret with the hashes of a key. Throws `QuarantinedKeyError` for an invalid hash. */
export interface SecretVerifier {
  /**
   * @param digest digest of the presented credential, `credentialDigest`
   * @param network of the caller (`clientNetwork`); decides only how long a comparison waits
   * @param isGone a comparison that waits is dropped when its caller has left; default: the caller stays
   * @throws {OverloadedError} if the comparison is shed or dropped
   */
  match(
    loaded: LoadedKey,
    secret: string,
    digest: string,
    network?: string,
    isGone?: IsGone,
  ): Promise<SecretMatch>;
}

/** A secret of a key that a presented secret may be, by its tag. */
interface PossibleSecret {
  match: 'current' | 'previous';
  hash: string;
  column: string;
}

/**
 * The secrets of a key that the presented one may be: each hash whose tag matches or that has no tag. A previous secret
 * counts during the grace period of a rotation.
 */
export function possibleSecrets(record: KeyRecord, secret: string, hasPassed: HasPassed): PossibleSecret[] {
  const { secretHash, previousSecretHash, previousSecretExpiresAtMs } = record;
  const tag = secretTag(record.id, secret);
  const mayMatch = (stored: number | null) => stored === null || tagsMatch(stored, tag);
  const possible: PossibleSecret[] = [];
  if (mayMatch(record.secretTag))
    possible.push({ match: 'current', hash: secretHash, column: 'secret_hash' });
  if (previousSecretHash === null || previousSecretExpiresAtMs === null) return possible;
  if (mayMatch(record.previousSecretTag) && !hasPassed(previousSecretExpiresAtMs)) {
    possible.push({ match: 'previous', hash: previousSecretHash, column: 'previous_secret_hash' });
  }
  return possible;
}

/**
 * Compares with argon2: against each hash that the tags leave. Each call costs milliseconds of a thread and mebibytes
 * of memory, so wrap it in a bounded queue.
 */
export class Argon2SecretVerifier implements SecretVerifier {
  readonly #hasPassed: HasPassed;

  constructor(hasPassed: HasPassed) {
    this.#hasPassed = hasPassed;
  }

  async match({ record }: LoadedKey, secret: string): Promise<SecretMatch> {
    for (const { match, hash, column } of possibleSecrets(record, secret, this.#hasPassed)) {
      if (await verify(record, hash, column, secret)) return match;
    }
    return 'none';
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
