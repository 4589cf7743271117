import { LRUCache } from 'lru-cache';
import type { Freshness } from '../keys/cache/freshness.ts';
import type { HeldKey } from '../keys/key-store.ts';
import type { Rights } from './rights.ts';

/** An answer with everything that it follows from. */
export interface KnownAnswer {
  rights: Rights;
  /** Second part of the answer, `writeIdentity`. */
  identity: string;
  key: HeldKey;
  /** When time alone ends it: the key expires, or the grace period of the old secret is over. */
  goodUntilMs: number;
}

/** Rough weight of an entry beside its own text, in bytes. */
const ENTRY_BYTES = 300;
/** A longer text of rights is seldom shared, and counts as the entry's own. */
const SHARED_BYTES = 8_192;

/**
 * Whole answers by digest of all that decides them. An answer is served only while the very key record and the very
 * role definitions it was made from are current, fresh by the freshness contract, and not run out.
 */
export class AnswerCache {
  readonly #answers: LRUCache<string, KnownAnswer>;
  readonly #freshness: Freshness;
  readonly #now: () => number;

  constructor(freshness: Freshness, now: () => number, limits: { maxEntries: number; maxBytes: number }) {
    this.#freshness = freshness;
    this.#now = now;
    this.#answers = new LRUCache({
      max: limits.maxEntries,
      maxSize: limits.maxBytes,
      sizeCalculation: ({ rights, identity }) =>
        ENTRY_BYTES + identity.length + (rights.text.length > SHARED_BYTES ? rights.text.length : 0),
    });
  }

  /** The body of the answer to this call, if it is known and still right. */
  get(digest: string): string | undefined {
    const answer = this.#answers.get(digest);
    if (answer === undefined || !this.#isCurrent(answer)) return undefined;
    return answer.rights.text + answer.identity;
  }

  set(digest: string, answer: KnownAnswer): void {
    this.#answers.set(digest, answer);
  }

  #isCurrent({ key, rights, goodUntilMs }: KnownAnswer): boolean {
    if (goodUntilMs <= this.#now() || !isCurrent(key, this.#freshness)) return false;
    for (const held of rights.basis) if (!isCurrent(held, this.#freshness)) return false;
    return true;
  }
}

/** Whether what is held may be used as it is. */
export function isCurrent(held: { stale: boolean; confirmedAtMs: number }, freshness: Freshness): boolean {
  return !held.stale && freshness.judge(held.confirmedAtMs) === 'fresh';
}
