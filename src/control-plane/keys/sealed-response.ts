import { hkdfSync, randomBytes } from 'node:crypto';
import { decrypt, encrypt, NONCE_BYTES, TAG_BYTES } from '../../lib/aes-256-gcm.ts';

/** A text that can be opened again only with the secret it was sealed under. */
export interface SealedResponse {
  salt: Buffer;
  /** nonce ‖ ciphertext ‖ tag, AES-256-GCM. */
  sealed: Buffer;
}

/**
 * Seals a text under the secret of a credential. Such a secret has 256 random bits, so a plain key derivation
 * (HKDF, RFC 5869) is enough: there is nothing to guess.
 *
 * @param context binds the result to its place; opening it needs the same
 */
export function sealResponse(text: string, secret: string, context: string): SealedResponse {
  const salt = randomBytes(16);
  const nonce = randomBytes(NONCE_BYTES);
  const { ciphertext, tag } = encrypt(sealingKey(secret, salt, context), nonce, [text]);
  return { salt, sealed: Buffer.concat([nonce, ...ciphertext, tag]) };
}

/** The text again, or `undefined` when the secret or the context is another. */
export function openSealedResponse(
  answer: SealedResponse,
  secret: string,
  context: string,
): string | undefined {
  const { salt, sealed } = answer;
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const ciphertext = sealed.subarray(NONCE_BYTES, -TAG_BYTES);
  const tag = sealed.subarray(-TAG_BYTES);
  return decrypt(sealingKey(secret, salt, context), nonce, ciphertext, tag)?.toString('utf8');
}

function sealingKey(secret: string, salt: Buffer, context: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, `iam idempotent answer\n${context}`, 32));
}
