import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const FINGERPRINT_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const EXPIRY_BYTES = 8;
const HEADER_BYTES = FINGERPRINT_BYTES + NONCE_BYTES + TAG_BYTES;

interface SealingKey {
  fingerprint: number;
  key: Buffer;
}

/**
 * Seals what leaves this process (AES-256-GCM): fingerprint of the key ‖ nonce ‖ tag ‖ ciphertext of (expiry ‖ payload).
 * The place it is stored at is authenticated too. Whoever can write there can neither forge a value, nor move it to
 * another place, nor use it past its expiry.
 */
export class SealedBox {
  readonly #keys: readonly SealingKey[];
  readonly #now: () => number;
  // NIST SP 800-38D 8.2.1: a part of its own for every process and a counter. Random nonces would be good for only
  // 2^32 values under one key.
  readonly #nonceStart = randomBytes(6);
  #nonceCounter = 0;

  /** @param secrets 32 bytes each; the first seals, all open */
  constructor(secrets: readonly Buffer[], now: () => number) {
    this.#now = now;
    this.#keys = secrets.map((secret) => ({
      fingerprint: Buffer.from(hkdfSync('sha256', secret, '', 'iam-cache-fingerprint', 4)).readUInt32BE(),
      key: Buffer.from(hkdfSync('sha256', secret, '', 'iam-cache-seal', 32)),
    }));
  }

  /** @param place name of the place the value goes to; the same must be given to open it */
  seal(payload: string, place: string, expiresAtMs: number): Buffer {
    const [{ fingerprint, key }] = this.#keys as [SealingKey];
    const nonce = this.#nextNonce();
    const cipher = createCipheriv(ALGORITHM, key, nonce).setAAD(Buffer.from(place));
    const expiry = Buffer.allocUnsafe(EXPIRY_BYTES);
    expiry.writeDoubleBE(expiresAtMs);
    const body = Buffer.concat([cipher.update(expiry), cipher.update(payload, 'utf8'), cipher.final()]);
    const head = Buffer.allocUnsafe(FINGERPRINT_BYTES);
    head.writeUInt32BE(fingerprint);
    return Buffer.concat([head, nonce, cipher.getAuthTag(), body]);
  }

  /** The payload, or `undefined` for anything that is not a value of ours, for this place, in its time. */
  open(sealed: Buffer, place: string): string | undefined {
    if (sealed.length < HEADER_BYTES + EXPIRY_BYTES) return undefined;
    const fingerprint = sealed.readUInt32BE(0);
    const key = this.#keys.find((candidate) => candidate.fingerprint === fingerprint)?.key;
    if (key === undefined) return undefined;
    const nonce = sealed.subarray(FINGERPRINT_BYTES, FINGERPRINT_BYTES + NONCE_BYTES);
    const decipher = createDecipheriv(ALGORITHM, key, nonce)
      .setAAD(Buffer.from(place))
      .setAuthTag(sealed.subarray(FINGERPRINT_BYTES + NONCE_BYTES, HEADER_BYTES));
    const opened = decipher.update(sealed.subarray(HEADER_BYTES));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    return opened.readDoubleBE(0) > this.#now() ? opened.toString('utf8', EXPIRY_BYTES) : undefined;
  }

  #nextNonce(): Buffer {
    const nonce = Buffer.allocUnsafe(NONCE_BYTES);
    this.#nonceStart.copy(nonce);
    nonce.writeUIntBE(this.#nonceCounter, 6, 6);
    this.#nonceCounter += 1;
    return nonce;
  }
}
