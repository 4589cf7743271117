import { LRUCache } from 'lru-cache';
import type { Freshness } from '../keys/cache/freshness.ts';
import { Interner } from '../keys/cache/interner.ts';
import { policies } from '../keys/cache/policies.ts';
import type { HeldKey } from '../keys/key-store.ts';
import type { HeldRoles } from '../keys/role-store.ts';
import type { AnswerText } from './answer.ts';

/** An answer with everything that it follows from. */
export interface BasedAnswer extends AnswerText {
  key: HeldKey;
  roles: readonly HeldRoles[];
  /** When time alone ends it: the key expires, or the grace period of the old secret is over. */
  goodUntilMs: number;
}

/** Rough weight of an entry beside its own text, in bytes. */
const ENTRY_BYTES = 300;

/**
 * Whole answers by digest of all that decides them. An answer is served only while the very key record and the very
 * role definitions it was made from are current, fresh by the freshness contract, and not run out.
 */
export class AnswerCache {
  readonly #answers: LRUCache<string, BasedAnswer>;
  readonly #shared = new Interner(policies.sharedTexts.maxEntries);
  readonly #freshness: Freshness;
  readonly #now: () => number;
  /** Answers that were pushed out by others, for metrics. */
  evictions = 0;

  constructor(freshness: Freshness, now: () => number, limits: { maxEntries: number; maxBytes: number }) {
    this.#freshness = freshness;
    this.#now = now;
    this.#answers = new LRUCache({
      max: limits.maxEntries,
      maxSize: limits.maxBytes,
      sizeCalculation: (answer) => answer.own.length + ENTRY_BYTES,
      dispose: (_answer, _digest, reason) => {
        if (reason === 'evict') this.evictions += 1;
      },
    });
  }

  get size(): number {
    return this.#answers.size;
  }

  /** The body of the answer to this call, if it is known and still right. */
  get(digest: string): string | undefined {
    const answer = this.#answers.get(digest);
    if (answer === undefined || !this.#isCurrent(answer)) return undefined;
    return answer.shared + answer.own;
  }

  set(digest: string, answer: BasedAnswer): void {
    answer.shared = this.#shared.text(answer.shared);
    this.#answers.set(digest, answer);
  }

  #isCurrent({ key, roles, goodUntilMs }: BasedAnswer): boolean {
    if (key.stale || goodUntilMs <= this.#now() || !this.#isFresh(key)) return false;
    for (const held of roles) {
      if (held.stale || !this.#isFresh(held)) return false;
    }
    return true;
  }

  #isFresh(held: HeldKey | HeldRoles): boolean {
    return this.#freshness.judge(held.confirmedAtMs) === 'fresh';
  }
}
