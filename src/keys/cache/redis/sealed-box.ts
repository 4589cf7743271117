import { createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { decrypt, encrypt, NONCE_BYTES, TAG_BYTES } from '../../../lib/aes-256-gcm.ts';

const FINGERPRINT_BYTES = 4;
const EXPIRY_BYTES = 8;
const NONCE_END = FINGERPRINT_BYTES + NONCE_BYTES;
const HEADER_BYTES = NONCE_END + TAG_BYTES;

/** What a sealed value has besides its payload. */
export const SEAL_BYTES = HEADER_BYTES + EXPIRY_BYTES;

interface SealingKey {
  fingerprint: number;
  /** A `KeyObject`: with raw bytes each operation is several times as slow. */
  key: KeyObject;
}

/** The content of a sealed value that has not expired. */
export interface Opened {
  /** UTF-8. */
  payload: Buffer;
  expiresAtMs: number;
}

/**
 * Seals values for Redis (AES-256-GCM): fingerprint of the key ‖ nonce ‖ tag ‖ ciphertext of (expiry ‖ payload). The
 * Redis key is authenticated too. An intruder who can write to Redis cannot forge a value, move it to another Redis
 * key, or extend its expiry.
 */
export class SealedBox {
  readonly #keys: readonly SealingKey[];
  readonly #now: () => number;
  readonly #nonces = new Nonces();

  /** @param secrets 32 bytes each; the first seals, all of them open */
  constructor(secrets: readonly Buffer[], now: () => number) {
    this.#now = now;
    this.#keys = secrets.map((secret) => ({
      fingerprint: derive(secret, 'iam-cache-fingerprint', FINGERPRINT_BYTES).readUInt32BE(),
      key: createSecretKey(derive(secret, 'iam-cache-seal', 32)),
    }));
  }

  /** @param redisKey is authenticated, not stored: `open` needs the same */
  seal(payload: string, redisKey: string, expiresAtMs: number): Buffer {
    const [{ fingerprint, key }] = this.#keys as [SealingKey];
    const nonce = this.#nonces.next();
    const expiry = Buffer.allocUnsafe(EXPIRY_BYTES);
    expiry.writeDoubleBE(expiresAtMs);
    const { ciphertext, tag } = encrypt(key, nonce, [expiry, payload], Buffer.from(redisKey));
    const head = Buffer.allocUnsafe(FINGERPRINT_BYTES);
    head.writeUInt32BE(fingerprint);
    return Buffer.concat([head, nonce, tag, ...ciphertext]);
  }

  /** `undefined` unless this service sealed the value for this Redis key and it has not expired. */
  open(sealed: Buffer, redisKey: string): Opened | undefined {
    if (sealed.length < SEAL_BYTES) return undefined;
    const fingerprint = sealed.readUInt32BE(0);
    const key = this.#keys.find((candidate) => candidate.fingerprint === fingerprint)?.key;
    if (key === undefined) return undefined;
    const opened = decrypt(
      key,
      sealed.subarray(FINGERPRINT_BYTES, NONCE_END),
      sealed.subarray(HEADER_BYTES),
      sealed.subarray(NONCE_END, HEADER_BYTES),
      Buffer.from(redisKey),
    );
    if (opened === undefined) return undefined;
    const expiresAtMs = opened.readDoubleBE(0);
    if (!(expiresAtMs > this.#now())) return undefined;
    return { payload: opened.subarray(EXPIRY_BYTES), expiresAtMs };
  }
}

const COUNTER_BYTES = 4;

/**
 * Nonces that do not repeat under one key (NIST SP 800-38D, 8.2): a random prefix of 64 bits and a counter, with a new
 * prefix when the counter overflows. At the same probability of a repetition (2^-32), fully random nonces allow 2^32
 * values, and these allow 2^16 process starts with 2^32 values each.
 */
class Nonces {
  #prefix = randomBytes(NONCE_BYTES - COUNTER_BYTES);
  #counter = 0;

  next(): Buffer {
    if (this.#counter === 2 ** (8 * COUNTER_BYTES)) {
      this.#prefix = randomBytes(NONCE_BYTES - COUNTER_BYTES);
      this.#counter = 0;
    }
    const nonce = Buffer.allocUnsafe(NONCE_BYTES);
    this.#prefix.copy(nonce);
    nonce.writeUInt32BE(this.#counter, NONCE_BYTES - COUNTER_BYTES);
    this.#counter += 1;
    return nonce;
  }
}

function derive(secret: Buffer, purpose: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', purpose, bytes));
}
