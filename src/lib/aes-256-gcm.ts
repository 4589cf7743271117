import { type CipherKey, createCipheriv, createDecipheriv } from 'node:crypto';

export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;

/** Without a fixed length, node accepts shorter tags, which are easier to forge. */
const OPTIONS = { authTagLength: TAG_BYTES };

/** Ciphertext in pieces, so that the caller copies each byte once, into its own layout. */
export interface Encrypted {
  ciphertext: Buffer[];
  tag: Buffer;
}

/**
 * Encrypts the concatenation of `plaintext` with AES-256-GCM (NIST SP 800-38D). Strings are encoded as UTF-8.
 *
 * @param key prefer a `KeyObject` for a key that is used often: raw bytes make each call several times as slow
 * @param nonce `NONCE_BYTES`; must never repeat under one key
 * @param aad additional data that is authenticated, not encrypted
 */
export function encrypt(
  key: CipherKey,
  nonce: Uint8Array,
  plaintext: readonly (string | Uint8Array)[],
  aad?: Uint8Array,
): Encrypted {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, OPTIONS);
  if (aad !== undefined) cipher.setAAD(aad);
  const ciphertext = plaintext.map((part) =>
    typeof part === 'string' ? cipher.update(part, 'utf8') : cipher.update(part),
  );
  cipher.final(); // computes the tag; GCM has no last block
  return { ciphertext, tag: cipher.getAuthTag() };
}

/** The plaintext; `undefined` if key, nonce, ciphertext, tag or `aad` is not the one that `encrypt` used. */
export function decrypt(
  key: CipherKey,
  nonce: Uint8Array,
  ciphertext: Uint8Array,
  tag: Uint8Array,
  aad?: Uint8Array,
): Buffer | undefined {
  if (nonce.length !== NONCE_BYTES || tag.length !== TAG_BYTES) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, OPTIONS).setAuthTag(tag);
  if (aad !== undefined) decipher.setAAD(aad);
  const plaintext = decipher.update(ciphertext);
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return plaintext;
}
