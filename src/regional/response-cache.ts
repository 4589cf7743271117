import { BoundedCache } from '../lib/bounded-cache.ts';
import type { Freshness } from '../keys/change-feed/freshness.ts';
import type { HeldKey } from '../keys/key-store.ts';
import { type Identity, joinAnswer } from './identity.ts';
import type { Rights } from './permissions.ts';

/** An answer that was given before. */
export interface KnownAnswer {
  readonly body: string;
  /** Length of what it shares with no other answer. */
  readonly ownBytes: number;
  /** When time alone ends it: the key expires, or the grace period of the old secret is over; `undefined` for never. */
  readonly goodUntilMs: number | undefined;
  /**
   * Whether everything it follows from is as it was, as far as that can be told.
   * @param isGood whether something that was so at a moment (milliseconds since the epoch) may still be taken to be so
   */
  holds(isGood: (atMs: number) => boolean): boolean;
}

/** A longer text of rights than this is seldom shared. */
const SHARED_BYTES = 8_192;

/** Length of what an answer is taken to share with no other one. @param identity the part of it that is its own */
export function ownBytes(rights: string, identity: string): number {
  return identity.length + (rights.length > SHARED_BYTES ? rights.length : 0);
}

/** An answer with the very key record and the very role definitions it was made from. */
export class OwnAnswer implements KnownAnswer {
  readonly goodUntilMs: number | undefined;
  readonly #rights: Rights;
  readonly #user: string;
  readonly #rest: string;
  readonly #key: HeldKey;

  constructor(rights: Rights, { user, rest }: Identity, key: HeldKey, goodUntilMs: number) {
    this.#rights = rights;
    this.#user = user;
    this.#rest = rest;
    this.#key = key;
    // Most keys never run out, and a number takes 16 bytes in each answer, also an infinite one.
    this.goodUntilMs = Number.isFinite(goodUntilMs) ? goodUntilMs : undefined;
  }

  get body(): string {
    return joinAnswer(this.#rights.text, this.#user, this.#key.record.id, this.#rest);
  }

  get ownBytes(): number {
    return ownBytes(this.#rights.text, this.#rest);
  }

  holds(isGood: (atMs: number) => boolean): boolean {
    if (this.#key.stale || !isGood(this.#key.confirmedAtMs)) return false;
    for (const held of this.#rights.basis) if (held.stale || !isGood(held.confirmedAtMs)) return false;
    return true;
  }
}

/** Rough weight of an entry beside its own text, in bytes. */
const ENTRY_BYTES = 300;

/**
 * Whole answers by digest of all that decides them. An answer is served only while what it was made from is current,
 * fresh by the freshness contract, and not run out.
 */
export class AnswerCache {
  readonly #answers: BoundedCache<string, KnownAnswer>;
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

  set(digest: string, answer: KnownAnswer): void {
    this.#answers.set(digest, answer);
  }

  #find(digest: string, isGood: (atMs: number) => boolean): string | undefined {
    const answer = this.#answers.get(digest);
    if (answer === undefined) return undefined;
    const { goodUntilMs } = answer;
    if (goodUntilMs !== undefined && goodUntilMs <= this.#now()) return undefined;
    return answer.holds(isGood) ? answer.body : undefined;
  }
}

/** Whether what is held may be used as it is. */
export function isCurrent(held: { stale: boolean; confirmedAtMs: number }, freshness: Freshness): boolean {
  return !held.stale && freshness.judge(held.confirmedAtMs) === 'fresh';
}
