import { hash, hkdfSync } from 'node:crypto';

/** Where the entries of one key and one credential stand in Redis. */
export interface Places {
  record: string;
  secret: string;
}

/**
 * Grows with the shape of what is stored, so that pods of two releases, which share a Redis while one replaces the
 * other, do not read each other's entries.
 */
const LAYOUT = 'iam1';

/** Of a name, in base64url characters: 132 bits, beyond any chance of two keys at one place. */
const NAME_LENGTH = 22;

/**
 * Names the places in Redis by keyed digests, so that names say nothing to whoever reads them. All entries of one
 * API key share a hash tag and so a slot of a Redis Cluster.
 */
export class CachePlaces {
  readonly #keys: readonly string[];

  /** @param secrets as for `SealedBox`: names follow the key that seals */
  constructor(secrets: readonly Buffer[]) {
    this.#keys = secrets.map((secret) =>
      Buffer.from(hkdfSync('sha256', secret, '', 'iam-cache-places', 32)).toString('hex'),
    );
  }

  /** Where to write, first, and where else to read while an older secret is still configured. */
  of(id: string, digest: string): Places[] {
    return this.#keys.map((key) => {
      const tag = keyed(key, `id:${id}`);
      return {
        record: `${LAYOUT}:{${tag}}:record`,
        secret: `${LAYOUT}:{${tag}}:secret:${keyed(key, `credential:${digest}`)}`,
      };
    });
  }

  /** Every place at which the record of a key may stand. */
  records(id: string): string[] {
    return this.#keys.map((key) => `${LAYOUT}:{${keyed(key, `id:${id}`)}}:record`);
  }
}

/**
 * SHA-3 with the key in front is a MAC, unlike SHA-2 (no length extension; NIST SP 800-185 builds KMAC so), and as
 * one call of `hash` it takes less than half the time of an `Hmac` object. Keys are 64 characters, so that where the
 * key ends is never in doubt.
 */
function keyed(key: string, text: string): string {
  return hash('sha3-256', key + text, 'base64url').slice(0, NAME_LENGTH);
}
