import { createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { decrypt, encrypt, NONCE_BYTES, TAG_BYTES } from '../../../lib/aes-256-gcm.ts';

const FINGERPRINT_BYTES = 4;
const EXPIRY_BYTES = 8;
const NONCE_END = FINGERPRINT_BYTES + NONCE_BYTES;
const HEADER_BYTES = NONCE_END + TAG_BYTES;

interface SealingKey {
  fingerprint: number;
  /** A `KeyObject`: giving node the raw bytes each time makes every operation several times as slow. */
  key: KeyObject;
}

/** What was sealed, and until when it may be used; milliseconds since the epoch. */
export interface Opened {
  /** UTF-8. */
  payload: Buffer;
  expiresAtMs: number;
}

/**
 * Seals what leaves this process (AES-256-GCM): fingerprint of the key ‖ nonce ‖ tag ‖ ciphertext of (expiry ‖ payload).
 * The place it is stored at is authenticated too. Whoever can write there can neither forge a value, nor move it to
 * another place, nor use it past its expiry.
 */
export class SealedBox {
  readonly #keys: readonly SealingKey[];
  readonly #now: () => number;
  readonly #nonces = new Nonces();

  /** @param secrets 32 bytes each; the first seals, all open */
  constructor(secrets: readonly Buffer[], now: () => number) {
    this.#now = now;
    this.#keys = secrets.map((secret) => ({
      fingerprint: derive(secret, 'iam-cache-fingerprint', FINGERPRINT_BYTES).readUInt32BE(),
      key: createSecretKey(derive(secret, 'iam-cache-seal', 32)),
    }));
  }

  /** @param place name of the place the value goes to; the same must be given to open it */
  seal(payload: string, place: string, expiresAtMs: number): Buffer {
    const [{ fingerprint, key }] = this.#keys as [SealingKey];
    const nonce = this.#nonces.next();
    const expiry = Buffer.allocUnsafe(EXPIRY_BYTES);
    expiry.writeDoubleBE(expiresAtMs);
    const { ciphertext, tag } = encrypt(key, nonce, [expiry, payload], Buffer.from(place));
    const head = Buffer.allocUnsafe(FINGERPRINT_BYTES);
    head.writeUInt32BE(fingerprint);
    return Buffer.concat([head, nonce, tag, ...ciphertext]);
  }

  /** `undefined` for anything that is not a value of ours, for this place, in its time. */
  open(sealed: Buffer, place: string): Opened | undefined {
    if (sealed.length < HEADER_BYTES + EXPIRY_BYTES) return undefined;
    const fingerprint = sealed.readUInt32BE(0);
    const key = this.#keys.find((candidate) => candidate.fingerprint === fingerprint)?.key;
    if (key === undefined) return undefined;
    const opened = decrypt(
      key,
      sealed.subarray(FINGERPRINT_BYTES, NONCE_END),
      sealed.subarray(HEADER_BYTES),
      sealed.subarray(NONCE_END, HEADER_BYTES),
      Buffer.from(place),
    );
    if (opened === undefined) return undefined;
    const expiresAtMs = opened.readDoubleBE(0);
    if (!(expiresAtMs > this.#now())) return undefined;
    return { payload: opened.subarray(EXPIRY_BYTES), expiresAtMs };
  }
}

const COUNTER_BYTES = 4;

/**
 * Nonces that do not repeat under one key (NIST SP 800-38D 8.2): a random start of 64 bits and a counter, a new start
 * whenever the counter is used up. Nonces that are random as a whole are good for 2^32 values; these are good for
 * 2^16 starts of a process, each with 2^32 values, at the same odds of a repetition (2^-32).
 */
class Nonces {
  #start = randomBytes(NONCE_BYTES - COUNTER_BYTES);
  #counter = 0;

  next(): Buffer {
    if (this.#counter === 2 ** (8 * COUNTER_BYTES)) {
      this.#start = randomBytes(NONCE_BYTES - COUNTER_BYTES);
      this.#counter = 0;
    }
    const nonce = Buffer.allocUnsafe(NONCE_BYTES);
    this.#start.copy(nonce);
    nonce.writeUInt32BE(this.#counter, NONCE_BYTES - COUNTER_BYTES);
    this.#counter += 1;
    return nonce;
  }
}

function derive(secret: Buffer, purpose: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', purpose, bytes));
}
