import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

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
  const cipher = createCipheriv('aes-256-gcm', sealingKey(secret, salt, context), nonce);
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return { salt, sealed: Buffer.concat([nonce, body, cipher.getAuthTag()]) };
}

/** The text again, or `undefined` when the secret or the context is another. */
export function openSealedResponse(
  answer: SealedResponse,
  secret: string,
  context: string,
): string | undefined {
  const { salt, sealed } = answer;
  try {
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', sealingKey(secret, salt, context), nonce, {
      // Otherwise a shorter tag would do, which is easier to hit.
      authTagLength: TAG_BYTES,
    });
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
    const body = sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES);
    return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}

function sealingKey(secret: string, salt: Buffer, context: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, `iam idempotent answer\n${context}`, 32));
}
