import { hash } from 'node:crypto';
import type { CopyOrigin, VersionFences } from '../keys/cache/fences.ts';
import { policies } from '../keys/cache/policies.ts';
import type { FencedCache } from '../keys/cache/redis/fenced-cache.ts';
import { CLOCK_SKEW_MS } from '../keys/change-feed/change-source.ts';
import type { Freshness } from '../keys/change-feed/freshness.ts';
import type { RecentChanges } from '../keys/change-feed/recent-changes.ts';
import type { ClientAuthentication, ClientProof } from '../keys/client-authentication.ts';
import type { HasPassed } from '../keys/expiry.ts';
import type { LoadedKey } from '../keys/key-store.ts';
import { BoundedCache } from '../lib/bounded-cache.ts';
import type { Permissions } from './permissions.ts';
import type { CachedResponse } from './response-cache.ts';

/** Approximate size of an `Origin`. */
const ORIGIN_BYTES = 600;

/** An id has at most 256 code points, each of up to twelve characters when escaped. */
const MAX_TAIL_CHARACTERS = 4_000;

/** Each pod writes longer responses itself. */
const MAX_SHARED_BYTES = 16_384;

/** What a response derives from. Stored as the JSON line before the body; another shape needs another `LAYOUT`. */
interface Origin {
  /** Id of the key. */
  id: string;
  version: number;
  internal: boolean;
  /** Ids of the role scopes. */
  scopes: string[];
  /** When key and roles were last confirmed; milliseconds since the epoch. */
  confirmedAtMs: number;
  validUntilMs: number;
  /** SHA-256 of the first part of the body, which many keys share. */
  permissionsHash: string;
  /** Where the second part begins. */
  permissionsLength: number;
}

export interface SharedResponsesDeps {
  cache: FencedCache;
  fences: VersionFences;
  changes: RecentChanges;
  freshness: Freshness;
  clientAuthentication: ClientAuthentication;
  now: () => number;
  hasPassed: HasPassed;
  /** How long a response may be used without Postgres, `MAX_STALENESS_MS`. */
  ttlMs: number;
}

/** A response of another history is not found. */
function inHistory({ history }: RecentChanges, digest: string): string {
  return `${history} ${digest}`;
}

/** Whole responses in Redis, shared between the pods of a region. */
export class SharedResponses {
  readonly #deps: SharedResponsesDeps;
  /** First parts of bodies by their hash. Only cached responses keep them in memory. */
  readonly #permissions = new BoundedCache<string, WeakRef<SharedPermissions>>(policies.sharedTexts);

  readonly #isFresh = (atMs: number) => this.#deps.freshness.judge(atMs) === 'fresh';

  constructor(deps: SharedResponsesDeps) {
    this.#deps = deps;
  }

  /** @param digest `callDigest` of a call whose credential has this key id */
  async read(id: string, digest: string, client: ClientProof): Promise<SharedResponse | undefined> {
    const { cache, changes, fences } = this.#deps;
    const [found, newest] = await Promise.all([
      cache.read('response', id, inHistory(changes, digest)),
      fences.newestVersion(id),
    ]);
    // A miss makes the caller look the credential up, which seals it with the new key.
    if (!found || found.sealedByOlderKey || newest === undefined) return undefined;
    try {
      return this.#parse(found.payload, id, newest, client);
    } catch {
      return undefined; // of another format
    }
  }

  #parse(
    payload: Buffer,
    id: string,
    newestVersion: number,
    client: ClientProof,
  ): SharedResponse | undefined {
    const { changes, clientAuthentication, now, hasPassed, ttlMs } = this.#deps;
    const endOfLine = payload.indexOf('\n');
    const origin = JSON.parse(payload.toString('utf8', 0, endOfLine)) as Origin;
    // The digest covers the client's proof, but this pod's settings decide whether it is accepted.
    if (!isOrigin(origin) || origin.id !== id || !clientAuthentication.allows(origin.internal, client))
      return undefined;
    if (origin.version < newestVersion) return undefined;
    // From a pod whose clock was wrong: the response would outlive the recent changes.
    if (origin.confirmedAtMs > now() + CLOCK_SKEW_MS) return undefined;
    const startOfIdentity = endOfLine + 1 + origin.permissionsLength;
    const response = new SharedResponse(
      this.#permissions.get(origin.permissionsHash)?.deref() ??
        this.#cachePermissions(
          origin.permissionsHash,
          payload.toString('latin1', endOfLine + 1, startOfIdentity),
        ),
      payload.toString('latin1', startOfIdentity),
      origin,
      Math.min(origin.validUntilMs, origin.confirmedAtMs + ttlMs),
      changes,
    );
    return hasPassed(response.validUntilMs) === false && response.isValid(this.#isFresh)
      ? response
      : undefined;
  }

  /**
   * Stores a new response for the other pods.
   * @param body the whole body; it begins with `permissions.text`
   */
  store(digest: string, key: LoadedKey, permissions: Permissions, body: string, validUntilMs: number): void {
    const { cache, changes, freshness, ttlMs } = this.#deps;
    if (body.length > MAX_SHARED_BYTES) return;
    if (key.stale || permissions.derivedFrom.some(({ stale }) => stale)) return;
    const readAtMs = Math.min(
      key.confirmedAtMs,
      ...permissions.derivedFrom.map(({ confirmedAtMs }) => confirmedAtMs),
    );
    const { id, version, internal } = key.record;
    const origin: Origin = {
      id,
      version,
      internal,
      scopes: permissions.derivedFrom.map(({ scopeId }) => scopeId),
      // The change feed has applied every change up to `appliedUntilMs`, so records that are not stale are confirmed then.
      confirmedAtMs: Math.max(readAtMs, freshness.appliedUntilMs),
      validUntilMs: Math.min(validUntilMs, Number.MAX_SAFE_INTEGER),
      permissionsHash: hash('sha256', permissions.text, 'base64url'),
      permissionsLength: permissions.text.length,
    };
    cache.enqueue({
      kind: 'response',
      id,
      version,
      digest: inHistory(changes, digest),
      payload: `${JSON.stringify(origin)}\n${body}`,
      confirmedAtMs: origin.confirmedAtMs,
      expiresAtMs: Math.min(validUntilMs, origin.confirmedAtMs + ttlMs),
    });
  }

  #cachePermissions(sha256: string, text: string): SharedPermissions {
    const permissions = { text, organizationId: organizationOf(text) };
    this.#permissions.set(sha256, new WeakRef(permissions));
    return permissions;
  }
}

/** Whether everything that decides the use of a response can be compared. */
function isOrigin({
  version,
  confirmedAtMs,
  validUntilMs,
  permissionsLength,
  internal,
  scopes,
}: Origin): boolean {
  const numbers = [version, confirmedAtMs, validUntilMs, permissionsLength];
  return (
    numbers.every(Number.isFinite) &&
    permissionsLength >= 0 &&
    typeof internal === 'boolean' &&
    Array.isArray(scopes)
  );
}

/** The first part of bodies that other pods wrote. */
interface SharedPermissions {
  text: string;
  organizationId: string;
}

const ORGANIZATION = /"organization_id":("(?:[^"\\]|\\.)*"),"email":null,[^{}]*$/;

/** Reads the last fields of the text, see `layOutPermissions`. */
function organizationOf(text: string): string {
  const [, json] = ORGANIZATION.exec(text.slice(-MAX_TAIL_CHARACTERS)) ?? [];
  return json === undefined ? '' : JSON.parse(json);
}

/**
 * A response that another pod wrote. This pod has no cache entry for its key or roles that the change feed could mark
 * stale, so it is checked against `RecentChanges`, which remembers changes for longer than the ttl of a response.
 */
class SharedResponse implements CachedResponse {
  readonly validUntilMs: number;
  readonly permissions: SharedPermissions;
  readonly #identity: string;
  readonly #origin: Origin;
  readonly #changes: RecentChanges;

  constructor(
    permissions: SharedPermissions,
    identity: string,
    origin: Origin,
    validUntilMs: number,
    changes: RecentChanges,
  ) {
    this.validUntilMs = validUntilMs;
    this.permissions = permissions;
    this.#identity = identity;
    this.#origin = origin;
    this.#changes = changes;
  }

  get body(): string {
    return this.permissions.text + this.#identity;
  }

  get ownBytes(): number {
    return this.#identity.length + ORIGIN_BYTES;
  }

  get organizationId(): string {
    return this.permissions.organizationId;
  }

  origin(): CopyOrigin {
    const { id, version, scopes, confirmedAtMs } = this.#origin;
    return { key: { id, version }, scopes, confirmedAtMs };
  }

  isValid(isFreshAt: (atMs: number) => boolean): boolean {
    const { id, version, scopes, confirmedAtMs } = this.#origin;
    const changes = this.#changes;
    return (
      changes.keyVersion(id) <= version &&
      confirmedAtMs >= changes.trustedSinceMs &&
      isFreshAt(confirmedAtMs) &&
      // Roles of a scope have no common version: a read near the time of a change may return the state before it.
      scopes.every((scope) => changes.rolesChangedAtMs(scope) + CLOCK_SKEW_MS < confirmedAtMs)
    );
  }
}
