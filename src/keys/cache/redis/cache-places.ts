import { createHmac, hkdfSync } from 'node:crypto';

/** Where the entries of one key and one credential stand in Redis. */
export interface Places {
  record: string;
  secret: string;
}

/**
 * Names the places in Redis by keyed digests, so that names say nothing to whoever reads them. All entries of one
 * API key share a hash tag and so a slot of a Redis Cluster.
 */
export class CachePlaces {
  readonly #keys: readonly Buffer[];

  /** @param secrets as for `SealedBox`: names follow the key that seals */
  constructor(secrets: readonly Buffer[]) {
    this.#keys = secrets.map((secret) => Buffer.from(hkdfSync('sha256', secret, '', 'iam-cache-places', 32)));
  }

  /** Where to write, first, and where else to read while an older secret is still configured. */
  of(id: string, digest: string): Places[] {
    return this.#keys.map((key) => {
      const tag = keyed(key, `id:${id}`);
      return {
        record: `iam:{${tag}}:record`,
        secret: `iam:{${tag}}:secret:${keyed(key, `credential:${digest}`)}`,
      };
    });
  }

  /** Every place at which the record of a key may stand. */
  records(id: string): string[] {
    return this.#keys.map((key) => `iam:{${keyed(key, `id:${id}`)}}:record`);
  }
}

function keyed(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url').slice(0, 22);
}
