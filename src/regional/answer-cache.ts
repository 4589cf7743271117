import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Freshness } from '../keys/cache/freshness.ts';
import type { HeldKey } from '../keys/key-store.ts';
import type { HeldRoles } from '../keys/role-store.ts';
import type { AuthenticationCall } from './authentication-service.ts';

/** An answer with everything that it follows from. */
export interface BasedAnswer {
  body: string;
  key: HeldKey;
  roles: readonly HeldRoles[];
  /** When time alone ends it: the key expires, or the grace period of the old secret is over. */
  goodUntilMs: number;
}

/** Rough weight of an entry beside its body, in bytes. */
const ENTRY_BYTES = 400;

/**
 * Whole answers by digest of all that decides them. An answer is served only while the very key record and the very
 * role definitions it was made from are current, fresh by the freshness contract, and not run out.
 */
export class AnswerCache {
  readonly #answers: LRUCache<string, BasedAnswer>;
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
      sizeCalculation: (answer) => answer.body.length + ENTRY_BYTES,
      dispose: (_answer, _digest, reason) => {
        if (reason === 'evict') this.evictions += 1;
      },
    });
  }

  get size(): number {
    return this.#answers.size;
  }

  get(digest: string): string | undefined {
    const answer = this.#answers.get(digest);
    if (answer === undefined) return undefined;
    if (this.#current(answer)) return answer.body;
    if (answer.key.stale || answer.goodUntilMs <= this.#now()) this.#answers.delete(digest);
    return undefined;
  }

  set(digest: string, answer: BasedAnswer): void {
    this.#answers.set(digest, answer);
  }

  #current({ key, roles, goodUntilMs }: BasedAnswer): boolean {
    const usable = (held: HeldKey | HeldRoles) =>
      !held.stale && this.#freshness.judge(held.confirmedAtMs) === 'fresh';
    return goodUntilMs > this.#now() && usable(key) && roles.every(usable);
  }
}

/** Names everything that decides an answer; parts are separated so that no two calls share a name. */
export function callDigest(call: AuthenticationCall): string {
  const { authorization, client, rawQuery, body } = call;
  const head = JSON.stringify([authorization, client.secret, client.certificate, rawQuery]);
  if (body === undefined) return hash('sha256', head, 'base64url');
  return hash('sha256', Buffer.concat([Buffer.from(`${head}\n`), body]), 'base64url');
}
