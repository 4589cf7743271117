import { hash } from 'node:crypto';
import type { ClientAuthentication, ClientProof } from '../keys/client-authentication.ts';
import { BoundedCache } from '../lib/bounded-cache.ts';
import type { Freshness } from '../keys/change-feed/freshness.ts';
import { policies } from '../keys/cache/policies.ts';
import type { FencedCache } from '../keys/cache/redis/fenced-cache.ts';
import { CLOCK_SKEW_MS } from '../keys/change-feed/change-source.ts';
import type { RecentChanges } from '../keys/change-feed/recent-changes.ts';
import type { HeldKey } from '../keys/key-store.ts';
import { type KnownAnswer, ownBytes } from './response-cache.ts';
import type { Rights } from './permissions.ts';

/** Longer answers are made anew by each pod. */
const LONGEST_SHARED = 16_384;

/** What an answer follows from, in the line before its text. */
interface Facts {
  /** The key and its version. */
  id: string;
  version: number;
  internal: boolean;
  /** Ids of the role scopes. */
  scopes: string[];
  /** As of when key and roles were as they are here; milliseconds since the epoch. */
  confirmedAtMs: number;
  goodUntilMs: number;
  /** Names the first part of the answer, which many keys have in common, and where the second part begins. */
  rightsName: string;
  rightsLength: number;
}

export interface SharedAnswersParts {
  cache: FencedCache;
  changes: RecentChanges;
  freshness: Freshness;
  clientAuthentication: ClientAuthentication;
  now: () => number;
  /** How long an answer may be used without Postgres, `MAX_STALENESS_MS`. */
  lifeMs: number;
}

/** Whole answers that the pods of a region leave for each other. */
export class SharedAnswers {
  readonly #parts: SharedAnswersParts;
  /** First parts of answers, by name. */
  readonly #rights = new BoundedCache<string, string>(policies.sharedTexts);

  readonly #isFresh = (atMs: number) => this.#parts.freshness.judge(atMs) === 'fresh';

  constructor(parts: SharedAnswersParts) {
    this.#parts = parts;
  }

  /** @param digest `callDigest` of a call whose credential has this key id */
  async read(id: string, digest: string, client: ClientProof): Promise<SharedAnswer | undefined> {
    const { cache, clientAuthentication, now, lifeMs } = this.#parts;
    const found = await cache.read('answer', id, digest);
    // Under an older key: left aside, so that the credential behind it is looked up and sealed with the new one.
    if (found === undefined || found.sealedByOlderKey) return undefined;
    const { payload } = found;
    const endOfLine = payload.indexOf('\n');
    const facts = JSON.parse(payload.toString('utf8', 0, endOfLine)) as Facts;
    // The call names what the client showed, but whether that is accepted is for this pod's settings to say.
    if (facts.id !== id || !clientAuthentication.allows(facts.internal, client)) return undefined;
    // A clock that is far ahead would make an answer outlive the memory of what changed.
    if (facts.confirmedAtMs > now() + CLOCK_SKEW_MS) return undefined;
    const startOfIdentity = endOfLine + 1 + facts.rightsLength;
    const answer = new SharedAnswer(
      this.#rights.get(facts.rightsName) ??
        this.#keepRights(facts.rightsName, payload.toString('latin1', endOfLine + 1, startOfIdentity)),
      payload.toString('latin1', startOfIdentity),
      facts,
      Math.min(facts.goodUntilMs, facts.confirmedAtMs + lifeMs),
      this.#parts.changes,
    );
    return answer.goodUntilMs > now() && answer.holds(this.#isFresh) ? answer : undefined;
  }

  /**
   * Leaves an answer that was just made for the other pods.
   * @param body all of it; it begins with the text of the rights
   */
  async store(
    digest: string,
    key: HeldKey,
    rights: Rights,
    body: string,
    goodUntilMs: number,
  ): Promise<void> {
    const { cache, freshness, lifeMs } = this.#parts;
    if (body.length > LONGEST_SHARED) return;
    if (key.stale || rights.basis.some(({ stale }) => stale)) return;
    const readAtMs = Math.min(key.confirmedAtMs, ...rights.basis.map(({ confirmedAtMs }) => confirmedAtMs));
    const { id, version, internal } = key.record;
    const facts: Facts = {
      id,
      version,
      internal,
      scopes: rights.basis.map(({ scopeId }) => scopeId),
      // What is in memory and not stale is good as of the moment up to which the change feed has told everything.
      confirmedAtMs: Math.max(readAtMs, freshness.wholeAtMs),
      goodUntilMs: Math.min(goodUntilMs, Number.MAX_SAFE_INTEGER),
      rightsName: hash('sha256', rights.text, 'base64url'),
      rightsLength: rights.text.length,
    };
    await cache.store({
      kind: 'answer',
      id,
      version,
      digest,
      payload: `${JSON.stringify(facts)}\n${body}`,
      expiresAtMs: Math.min(goodUntilMs, facts.confirmedAtMs + lifeMs),
    });
  }

  #keepRights(name: string, text: string): string {
    this.#rights.set(name, text);
    return text;
  }
}

/**
 * An answer that another pod made. No entry of this pod stands behind it that the change feed would mark, so it is
 * compared with the changes that are remembered, which are remembered for longer than it lives.
 */
class SharedAnswer implements KnownAnswer {
  readonly goodUntilMs: number;
  readonly #rights: string;
  readonly #identity: string;
  readonly #facts: Facts;
  readonly #changes: RecentChanges;

  constructor(rights: string, identity: string, facts: Facts, goodUntilMs: number, changes: RecentChanges) {
    this.goodUntilMs = goodUntilMs;
    this.#rights = rights;
    this.#identity = identity;
    this.#facts = facts;
    this.#changes = changes;
  }

  get body(): string {
    return this.#rights + this.#identity;
  }

  get ownBytes(): number {
    return ownBytes(this.#rights, this.#identity);
  }

  holds(isGood: (atMs: number) => boolean): boolean {
    const { id, version, scopes, confirmedAtMs } = this.#facts;
    const changes = this.#changes;
    return (
      changes.keyVersion(id) <= version &&
      confirmedAtMs >= changes.trustedSinceMs &&
      isGood(confirmedAtMs) &&
      // Roles have no common version: what another pod read around the time of a change may be from before it.
      scopes.every((scope) => changes.rolesChangedAtMs(scope) + CLOCK_SKEW_MS < confirmedAtMs)
    );
  }
}
