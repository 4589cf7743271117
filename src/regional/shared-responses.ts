import { hash } from 'node:crypto';
import { policies } from '../keys/cache/policies.ts';
import type { FencedCache } from '../keys/cache/redis/fenced-cache.ts';
import { CLOCK_SKEW_MS } from '../keys/change-feed/change-source.ts';
import type { Freshness } from '../keys/change-feed/freshness.ts';
import type { RecentChanges } from '../keys/change-feed/recent-changes.ts';
import type { ClientAuthentication, ClientProof } from '../keys/client-authentication.ts';
import type { LoadedKey } from '../keys/key-store.ts';
import { BoundedCache } from '../lib/bounded-cache.ts';
import type { Permissions } from './permissions.ts';
import { type CachedResponse, ownBytes } from './response-cache.ts';

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
  validUntilMs: number;
  /** Names the first part of the answer, which many keys have in common, and where the second part begins. */
  permissionsName: string;
  permissionsLength: number;
}

export interface SharedResponsesDeps {
  cache: FencedCache;
  changes: RecentChanges;
  freshness: Freshness;
  clientAuthentication: ClientAuthentication;
  now: () => number;
  /** How long an answer may be used without Postgres, `MAX_STALENESS_MS`. */
  ttlMs: number;
}

/** Whole answers that the pods of a region leave for each other. */
export class SharedResponses {
  readonly #deps: SharedResponsesDeps;
  /** First parts of answers, by name. */
  readonly #permissions = new BoundedCache<string, string>(policies.sharedTexts);

  readonly #isFresh = (atMs: number) => this.#deps.freshness.judge(atMs) === 'fresh';

  constructor(deps: SharedResponsesDeps) {
    this.#deps = deps;
  }

  /** @param digest `callDigest` of a call whose credential has this key id */
  async read(id: string, digest: string, client: ClientProof): Promise<SharedResponse | undefined> {
    const { cache, clientAuthentication, now, ttlMs } = this.#deps;
    const found = await cache.read('response', id, digest);
    // Under an older key: left aside, so that the credential behind it is looked up and sealed with the new one.
    if (found === undefined || found.sealedByOlderKey) return undefined;
    const { payload } = found;
    const endOfLine = payload.indexOf('\n');
    const facts = JSON.parse(payload.toString('utf8', 0, endOfLine)) as Facts;
    // The call names what the client showed, but whether that is accepted is for this pod's settings to say.
    if (facts.id !== id || !clientAuthentication.allows(facts.internal, client)) return undefined;
    // A clock that is far ahead would make an answer outlive the memory of what changed.
    if (facts.confirmedAtMs > now() + CLOCK_SKEW_MS) return undefined;
    const startOfIdentity = endOfLine + 1 + facts.permissionsLength;
    const answer = new SharedResponse(
      this.#permissions.get(facts.permissionsName) ??
        this.#keepPermissions(
          facts.permissionsName,
          payload.toString('latin1', endOfLine + 1, startOfIdentity),
        ),
      payload.toString('latin1', startOfIdentity),
      facts,
      Math.min(facts.validUntilMs, facts.confirmedAtMs + ttlMs),
      this.#deps.changes,
    );
    return answer.validUntilMs > now() && answer.holds(this.#isFresh) ? answer : undefined;
  }

  /**
   * Leaves an answer that was just made for the other pods.
   * @param body all of it; it begins with the text of the permissions
   */
  async store(
    digest: string,
    key: LoadedKey,
    permissions: Permissions,
    body: string,
    validUntilMs: number,
  ): Promise<void> {
    const { cache, freshness, ttlMs } = this.#deps;
    if (body.length > LONGEST_SHARED) return;
    if (key.stale || permissions.basis.some(({ stale }) => stale)) return;
    const readAtMs = Math.min(
      key.confirmedAtMs,
      ...permissions.basis.map(({ confirmedAtMs }) => confirmedAtMs),
    );
    const { id, version, internal } = key.record;
    const facts: Facts = {
      id,
      version,
      internal,
      scopes: permissions.basis.map(({ scopeId }) => scopeId),
      // What is in memory and not stale is good as of the moment up to which the change feed has told everything.
      confirmedAtMs: Math.max(readAtMs, freshness.appliedUntilMs),
      validUntilMs: Math.min(validUntilMs, Number.MAX_SAFE_INTEGER),
      permissionsName: hash('sha256', permissions.text, 'base64url'),
      permissionsLength: permissions.text.length,
    };
    await cache.store({
      kind: 'response',
      id,
      version,
      digest,
      payload: `${JSON.stringify(facts)}\n${body}`,
      expiresAtMs: Math.min(validUntilMs, facts.confirmedAtMs + ttlMs),
    });
  }

  #keepPermissions(name: string, text: string): string {
    this.#permissions.set(name, text);
    return text;
  }
}

/**
 * An answer that another pod made. No entry of this pod stands behind it that the change feed would mark, so it is
 * compared with the changes that are remembered, which are remembered for longer than it lives.
 */
class SharedResponse implements CachedResponse {
  readonly validUntilMs: number;
  readonly #permissions: string;
  readonly #identity: string;
  readonly #facts: Facts;
  readonly #changes: RecentChanges;

  constructor(
    permissions: string,
    identity: string,
    facts: Facts,
    validUntilMs: number,
    changes: RecentChanges,
  ) {
    this.validUntilMs = validUntilMs;
    this.#permissions = permissions;
    this.#identity = identity;
    this.#facts = facts;
    this.#changes = changes;
  }

  get body(): string {
    return this.#permissions + this.#identity;
  }

  get ownBytes(): number {
    return ownBytes(this.#permissions, this.#identity);
  }

  holds(isFreshAt: (atMs: number) => boolean): boolean {
    const { id, version, scopes, confirmedAtMs } = this.#facts;
    const changes = this.#changes;
    return (
      changes.keyVersion(id) <= version &&
      confirmedAtMs >= changes.trustedSinceMs &&
      isFreshAt(confirmedAtMs) &&
      // Roles have no common version: what another pod read around the time of a change may be from before it.
      scopes.every((scope) => changes.rolesChangedAtMs(scope) + CLOCK_SKEW_MS < confirmedAtMs)
    );
  }
}
