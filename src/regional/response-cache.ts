import type { Freshness } from '../keys/change-feed/freshness.ts';
import type { LoadedKey } from '../keys/key-store.ts';
import { BoundedCache } from '../lib/bounded-cache.ts';
import { type Identity, joinResponse } from './identity.ts';
import type { Permissions } from './permissions.ts';

/** An answer that was given before. */
export interface CachedResponse {
  readonly body: string;
  /** Length of what it shares with no other answer. */
  readonly ownBytes: number;
  /** When time alone ends it: the key expires, or the grace period of the old secret is over; `undefined` for never. */
  readonly validUntilMs: number | undefined;
  /**
   * Whether everything it follows from is as it was, as far as that can be told.
   * @param isFreshAt whether something that was so at a moment (milliseconds since the epoch) may still be taken to be so
   */
  holds(isFreshAt: (atMs: number) => boolean): boolean;
}

/** A longer text of permissions than this is seldom shared. */
const SHARED_BYTES = 8_192;

/** Length of what an answer is taken to share with no other one. @param identity the part of it that is its own */
export function ownBytes(permissions: string, identity: string): number {
  return identity.length + (permissions.length > SHARED_BYTES ? permissions.length : 0);
}

/** An answer with the very key record and the very role definitions it was made from. */
export class LocalResponse implements CachedResponse {
  readonly validUntilMs: number | undefined;
  readonly #permissions: Permissions;
  readonly #user: string;
  readonly #rest: string;
  readonly #key: LoadedKey;

  constructor(permissions: Permissions, { user, rest }: Identity, key: LoadedKey, validUntilMs: number) {
    this.#permissions = permissions;
    this.#user = user;
    this.#rest = rest;
    this.#key = key;
    // Most keys never run out, and a number takes 16 bytes in each answer, also an infinite one.
    this.validUntilMs = Number.isFinite(validUntilMs) ? validUntilMs : undefined;
  }

  get body(): string {
    return joinResponse(this.#permissions.text, this.#user, this.#key.record.id, this.#rest);
  }

  get ownBytes(): number {
    return ownBytes(this.#permissions.text, this.#rest);
  }

  holds(isFreshAt: (atMs: number) => boolean): boolean {
    if (this.#key.stale || !isFreshAt(this.#key.confirmedAtMs)) return false;
    for (const loaded of this.#permissions.basis)
      if (loaded.stale || !isFreshAt(loaded.confirmedAtMs)) return false;
    return true;
  }
}

/** Rough weight of an entry beside its own text, in bytes. */
const ENTRY_BYTES = 300;

/**
 * Whole answers by digest of all that decides them. An answer is served only while what it was made from is current,
 * fresh by the freshness contract, and not run out.
 */
export class ResponseCache {
  readonly #answers: BoundedCache<string, CachedResponse>;
  readonly #now: () => number;
  readonly #isFresh: (atMs: number) => boolean;
  readonly #isUsable: (atMs: number) => boolean;

  constructor(freshness: Freshness, now: () => number, limits: { maxEntries: number; maxBytes: number }) {
    this.#now = now;
    this.#isFresh = (atMs) => freshness.judge(atMs) === 'fresh';
    this.#isUsable = (atMs) => freshness.judge(atMs) !== 'expired';
    this.#answers = new BoundedCache({
      maxEntries: limits.maxEntries,
      weight: { max: limits.maxBytes, of: ({ ownBytes }) => ENTRY_BYTES + ownBytes },
    });
  }

  /** The body of the answer to this call, if it is known and still right. */
  get(digest: string): string | undefined {
    return this.#find(digest, this.#isFresh);
  }

  /** The same when it can only be said that nothing speaks against it: for when nobody is there to be asked. */
  getUnconfirmed(digest: string): string | undefined {
    return this.#find(digest, this.#isUsable);
  }

  set(digest: string, answer: CachedResponse): void {
    this.#answers.set(digest, answer);
  }

  #find(digest: string, isFreshAt: (atMs: number) => boolean): string | undefined {
    const answer = this.#answers.get(digest);
    if (answer === undefined) return undefined;
    const { validUntilMs } = answer;
    if (validUntilMs !== undefined && validUntilMs <= this.#now()) return undefined;
    return answer.holds(isFreshAt) ? answer.body : undefined;
  }
}

/** Whether what is loaded may be used as it is. */
export function isCurrent(loaded: { stale: boolean; confirmedAtMs: number }, freshness: Freshness): boolean {
  return !loaded.stale && freshness.judge(loaded.confirmedAtMs) === 'fresh';
}
