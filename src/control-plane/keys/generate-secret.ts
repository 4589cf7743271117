import { type Credential, encodeCredential, generateCredential } from '../../credential/format.ts';
import { hashSecret } from '../../credential/hash.ts';
import { secretTag } from '../../credential/secret-tag.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';

const LEGACY_ID_CHARS = 20;
const LEGACY_SECRET_BYTES = 16;

/** A new secret of a key. */
export interface GeneratedSecret {
  id: string;
  /** The text that a client sends. */
  credential: string;
  secretHash: string;
  secretTag: number;
}

/**
 * Generates and hashes a secret. Call it after the validation of the input and before the transaction: hashing takes
 * milliseconds, in which no lock may be held.
 *
 * @param id of an existing key; absent for a new key
 */
export async function generateSecret(deps: LifecycleDeps, id?: string): Promise<GeneratedSecret> {
  const credential = credentialFor(id, deps.randomBytes);
  return {
    id: credential.id,
    credential: encodeCredential(deps.credentialPrefix, credential),
    secretHash: await hashSecret(credential.secret, deps.hashParameters),
    secretTag: secretTag(credential.id, credential.secret),
  };
}

/** A legacy key keeps the legacy layout: the v1 payload cannot carry its shorter id. */
function credentialFor(id: string | undefined, randomBytes: LifecycleDeps['randomBytes']): Credential {
  if (id !== undefined && id.length === LEGACY_ID_CHARS) {
    return { id, secret: randomBytes(LEGACY_SECRET_BYTES).toString('base64url'), layout: 'legacy' };
  }
  const generated = generateCredential(randomBytes);
  // Command lines parse an id with a leading "-" as an option, so one id in 64 is generated again.
  if (id === undefined && generated.id.startsWith('-')) return credentialFor(id, randomBytes);
  return { ...generated, id: id ?? generated.id };
}
