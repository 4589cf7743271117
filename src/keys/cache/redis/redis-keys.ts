import { hash, hkdfSync } from 'node:crypto';

/** What is kept: what a credential stands for, and what a call is answered. */
export type EntryKind = 'credential' | 'answer';

/**
 * Grows with the shape of what is stored, answers included, so that pods of two releases, which share a Redis while one replaces the
 * other, do not read each other's entries.
 */
export const LAYOUT = 'iam5';

/** Of a name, in base64url characters: 132 bits, beyond any chance of two keys at one place. */
const NAME_LENGTH = 22;

/**
 * Names the places in Redis by keyed digests, so that names say nothing to whoever reads them. All entries of one
 * API key share a hash tag and so a slot of a Redis Cluster.
 */
export class RedisKeys {
  readonly #keys: readonly string[];

  /** @param secrets as for `SealedBox`: names follow the key that seals */
  constructor(secrets: readonly Buffer[]) {
    this.#keys = secrets.map((secret) =>
      Buffer.from(hkdfSync('sha256', secret, '', 'iam-cache-places', 32)).toString('hex'),
    );
  }

  /** Where an entry of an API key stands: where to write, first, and where else to read while an older secret is configured. */
  entries(kind: EntryKind, id: string, digest: string): string[] {
    return this.#keys.map((key) => {
      const tag = keyed(key, `id:${id}`);
      return `${LAYOUT}:{${tag}}:${kind}:${keyed(key, `${kind}:${digest}`)}`;
    });
  }

  /** Where the newest version of an API key that was seen is noted, in the same order. */
  fences(id: string): string[] {
    return this.#keys.map((key) => `${LAYOUT}:{${keyed(key, `id:${id}`)}}:fence`);
  }
}

/**
 * SHA-256 with the key in front, of which little more than half is shown: nobody can go on from there (length
 * extension), which is what keeps a whole SHA-256 from being a MAC. As one call of `hash` it takes a thirtieth of the time of an
 * `Hmac` object. Keys are 64 characters, so that where the key ends is never in doubt.
 */
function keyed(key: string, text: string): string {
  return hash('sha256', key + text, 'base64url').slice(0, NAME_LENGTH);
}
