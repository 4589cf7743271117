import { type CopyOrigin, type Fences, noFences } from '../keys/cache/fences.ts';
import type { Freshness } from '../keys/change-feed/freshness.ts';
import type { HasPassed } from '../keys/expiry.ts';
import type { LoadedKey } from '../keys/key-store.ts';
import { BoundedCache } from '../lib/bounded-cache.ts';
import type { Permissions } from './permissions.ts';
import { type Identity, joinResponse } from './response-writer.ts';

/** The body of a 200 with the conditions under which it may be sent again. */
export interface CachedResponse {
  readonly body: string;
  /** Bytes of the texts that this entry shares with no other. */
  readonly ownBytes: number;
  /** The first part, which responses of several keys may share. */
  readonly permissions: { readonly text: string };
  readonly organizationId: string;
  /** When the key expires or the grace period of its old secret ends; `undefined` for never. */
  readonly validUntilMs: number | undefined;
  /**
   * Whether nothing that the response derives from has changed.
   * @param isFreshAt whether data that was confirmed at a time (milliseconds since the epoch) may still be used
   */
  isValid(isFreshAt: (atMs: number) => boolean): boolean;
  /** What the response derives from; `confirmedAtMs` is that of its oldest part. */
  origin(): CopyOrigin;
}

/** A response that this pod wrote; it refers to the key record and the role definitions that it derives from. */
export class LocalResponse implements CachedResponse, Identity {
  readonly validUntilMs: number | undefined;
  // The fields of the identity are fields of this object, because a nested object takes 40 bytes more per entry.
  readonly userText: string;
  readonly keyText: string;
  readonly description: string;
  readonly permissions: Permissions;
  readonly #key: LoadedKey;

  constructor(permissions: Permissions, identity: Identity, key: LoadedKey, validUntilMs: number) {
    this.userText = identity.userText;
    this.keyText = identity.keyText;
    this.description = identity.description;
    this.permissions = permissions;
    this.#key = key;
    // Most keys never expire, and a number, even Infinity, takes 16 bytes per entry.
    this.validUntilMs = Number.isFinite(validUntilMs) ? validUntilMs : undefined;
  }

  get body(): string {
    return joinResponse(this.permissions.text, this.#key.record.id, this);
  }

  get ownBytes(): number {
    return this.keyText.length + this.description.length;
  }

  get organizationId(): string {
    return this.#key.record.organizationId;
  }

  isValid(isFreshAt: (atMs: number) => boolean): boolean {
    if (this.#key.stale || !isFreshAt(this.#key.confirmedAtMs)) return false;
    for (const loaded of this.permissions.derivedFrom)
      if (loaded.stale || !isFreshAt(loaded.confirmedAtMs)) return false;
    return true;
  }

  origin(): CopyOrigin {
    const { record, confirmedAtMs } = this.#key;
    const { derivedFrom } = this.permissions;
    return {
      key: { id: record.id, version: record.version },
      scopes: derivedFrom.map(({ scopeId }) => scopeId),
      confirmedAtMs: Math.min(confirmedAtMs, ...derivedFrom.map((loaded) => loaded.confirmedAtMs)),
    };
  }
}

/** Size of an entry, and of its shared part, beside their texts. test/integration/regional/cache-memory.test.ts measures them. */
const ENTRY_BYTES = 450;
const PERMISSIONS_BYTES = 450;

/** Whole responses by `callDigest`. A hit is sent only while it is valid by the freshness contract. */
export class ResponseCache {
  #entries: BoundedCache<string, CachedResponse>;
  readonly #create: () => BoundedCache<string, CachedResponse>;
  readonly #freshness: Freshness;
  readonly #fences: Fences;
  readonly #hasPassed: HasPassed;
  readonly #isFresh: (atMs: number) => boolean;
  readonly #isNotExpired: (atMs: number) => boolean;
  generation = 0;

  constructor(
    freshness: Freshness,
    hasPassed: HasPassed,
    limits: { maxEntries: number; maxBytes: number },
    fences: Fences = noFences,
  ) {
    this.#freshness = freshness;
    this.#fences = fences;
    this.#hasPassed = hasPassed;
    this.#isFresh = (atMs) => freshness.judge(atMs) === 'fresh';
    this.#isNotExpired = (atMs) => freshness.judge(atMs) !== 'expired';
    this.#create = () =>
      new BoundedCache({
        maxEntries: limits.maxEntries,
        weight: {
          max: limits.maxBytes,
          of: ({ ownBytes }) => ENTRY_BYTES + ownBytes,
          sharedPart: ({ permissions }) => ({
            object: permissions,
            weight: PERMISSIONS_BYTES + permissions.text.length,
          }),
        },
        ownerOf: ({ organizationId }) => organizationId,
      });
    this.#entries = this.#create();
  }

  /** A fresh response. */
  get(digest: string): CachedResponse | undefined {
    return this.#find(digest, this.#isFresh);
  }

  /** A response that is due for revalidation, but neither expired nor behind a fence: for when Postgres is unavailable. */
  async getUnconfirmed(digest: string): Promise<CachedResponse | undefined> {
    const found = this.#find(digest, this.#isNotExpired);
    if (found === undefined) return undefined;
    const origin = found.origin();
    const confirmedAtMs = this.#freshness.validAtMs(origin.confirmedAtMs);
    if (!(await this.#fences.supersede({ ...origin, confirmedAtMs })))
      // The change feed may have applied a change meanwhile.
      return this.#find(digest, this.#isNotExpired);
    this.#entries.delete(digest);
    return undefined;
  }

  /** @param generation of the cache when the call arrived: a call before `clear` stores nothing after it */
  set(digest: string, response: CachedResponse, generation = this.generation): void {
    if (generation === this.generation) this.#entries.set(digest, response);
  }

  /** Forgets all responses: the rules by which calls were accepted have changed. */
  clear(): void {
    this.generation += 1;
    this.#entries = this.#create();
  }

  #find(digest: string, isFreshAt: (atMs: number) => boolean): CachedResponse | undefined {
    const response = this.#entries.get(digest);
    if (response === undefined) return undefined;
    const { validUntilMs } = response;
    if (validUntilMs !== undefined && this.#hasPassed(validUntilMs) !== false) return undefined;
    return response.isValid(isFreshAt) ? response : undefined;
  }
}
