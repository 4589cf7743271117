import { hkdfSync, randomBytes } from 'node:crypto';
import { decrypt, encrypt, NONCE_BYTES, TAG_BYTES } from '../../lib/aes-256-gcm.ts';

/** An encrypted text. Only the secret that sealed it opens it. */
export interface SealedResponse {
  salt: Buffer;
  /** nonce ‖ ciphertext ‖ tag, AES-256-GCM. */
  sealed: Buffer;
}

/**
 * Encrypts a text under the secret of a credential. The secret has at least 128 random bits, so a fast key derivation (HKDF,
 * RFC 5869) is sufficient: it cannot be guessed.
 *
 * @param context binds the result to one request; opening it needs the same context
 */
export function sealResponse(text: string, secret: string, context: string): SealedResponse {
  const salt = randomBytes(16);
  const nonce = randomBytes(NONCE_BYTES);
  const { ciphertext, tag } = encrypt(sealingKey(secret, salt, context), nonce, [text]);
  return { salt, sealed: Buffer.concat([nonce, ...ciphertext, tag]) };
}

/** @returns the text, or `undefined` when the secret or the context differs or the data was altered */
export function openSealedResponse(
  { salt, sealed }: SealedResponse,
  secret: string,
  context: string,
): string | undefined {
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const ciphertext = sealed.subarray(NONCE_BYTES, -TAG_BYTES);
  const tag = sealed.subarray(-TAG_BYTES);
  return decrypt(sealingKey(secret, salt, context), nonce, ciphertext, tag)?.toString('utf8');
}

function sealingKey(secret: string, salt: Buffer, context: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, `iam idempotent answer\n${context}`, 32));
}
