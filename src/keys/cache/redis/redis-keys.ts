import { hash, hkdfSync, timingSafeEqual } from 'node:crypto';

/** What an entry is: a verified credential, the response to a request, or a heartbeat counter of a generation. */
export type EntryKind = 'credential' | 'response' | 'counter';

/**
 * Version of the stored format, response bodies included. Raise it with every change of that format: during a
 * deployment pods of two releases share a Redis and must not read each other's entries.
 */
export const LAYOUT = 'iam8';

/** Base64url characters per digest: 132 bits make a collision of two keys negligible. */
const DIGEST_LENGTH = 22;

/**
 * Derives Redis keys as keyed digests, so that they reveal nothing to a reader of Redis. All entries of one API key
 * share a hash tag, and so a slot of a Redis Cluster.
 */
export class RedisKeys {
  readonly #keys: readonly string[];

  /** @param secrets as for `SealedBox`: one digest key per sealing key */
  constructor(secrets: readonly Buffer[]) {
    this.#keys = secrets.map((secret) =>
      Buffer.from(hkdfSync('sha256', secret, '', 'iam-cache-places', 32)).toString('hex'),
    );
  }

  /** Redis keys of one entry: the first for writing, the others for reading while older secrets are configured. */
  entries(kind: EntryKind, id: string, digest: string): string[] {
    return this.#keys.map((key) => {
      const tag = keyed(key, `id:${id}`);
      return `${LAYOUT}:{${tag}}:${kind}:${keyed(key, `${kind}:${digest}`)}`;
    });
  }

  /** Redis keys of the fence of an API key, in the same order. Versions of different lineages cannot be compared. */
  fences(id: string, lineage: string): string[] {
    return this.#keys.map((key) => `${LAYOUT}:{${keyed(key, `id:${id}`)}}:fence:${lineage}`);
  }

  /**
   * Proofs that a pod wrote a version to these fences, in the same order. Others may write to Redis, and a fence that is too high
   * would deny its key.
   * @param fences of one API key
   */
  proofs(fences: readonly string[], version: number): string[] {
    return this.#keys.map((key, index) => proofOf(key, fences[index], version));
  }

  /** Whether a text is the proof of a version at a fence. @param index of the fence among those of its API key */
  isProof(text: string, fence: string, index: number, version: number): boolean {
    const given = Buffer.from(text);
    const expected = Buffer.from(proofOf(this.#keys[index] ?? '', fence, version));
    return given.length === expected.length && timingSafeEqual(given, expected);
  }

  /** Redis keys of a time that pods share, such as the fence of a role scope, in the same order. */
  times(name: string): string[] {
    return this.#keys.map((key) => `${LAYOUT}:${keyed(key, `time:${name}`)}:time`);
  }
}

function proofOf(key: string, fence: string | undefined, version: number): string {
  return keyed(key, `proof:${fence} ${version}`);
}

/**
 * SHA-256 with the key as prefix, cut to 132 bits. The cut prevents length extension, the reason why a full SHA-256 is
 * not a MAC. One call of `hash` takes a thirtieth of the time of an `Hmac` object. Keys always have 64 characters, so
 * the boundary between key and text is unambiguous.
 */
function keyed(key: string, text: string): string {
  return hash('sha256', key + text, 'base64url').slice(0, DIGEST_LENGTH);
}
