import { CLOCK_SKEW_MS } from '../../change-feed/change-source.ts';
import type { ClockVerdict } from '../../change-feed/clock-check.ts';
import { policies } from '../policies.ts';
import { REPLACED } from './redis-client.ts';
import { type EntryKind, RedisKeys } from './redis-keys.ts';
import type { RedisLink } from './redis-link.ts';
import { SealedBox } from './sealed-box.ts';
import { fenceTtlMs } from './shared-fences.ts';

/** A value derived from an API key and shared with the other pods. */
export interface SharedEntry {
  kind: EntryKind;
  /** The API key. */
  id: string;
  /** The version of the API key that the payload is derived from. */
  version: number;
  /** A fence above it cannot be true; `undefined` if every fence can be. */
  highestVersion?: number;
  /** Digest of the rest of the cache key: the credential or the request. */
  digest: string;
  payload: string;
  /** When the payload was last known to be valid. */
  confirmedAtMs: number;
  expiresAtMs: number;
}

/** A hit. */
export interface FoundEntry {
  /** UTF-8. */
  payload: Buffer;
  expiresAtMs: number;
  /** An older sealing key, which may be removed soon, sealed the entry. */
  sealedByOlderKey: boolean;
}

/**
 * The cache that the pods of a region share (L2). Its values are sealed and its Redis keys are keyed digests. A store
 * loses against a newer version of the same API key. A hit proves only that a pod wrote the entry: the reader must
 * check that it is not superseded.
 *
 * Entries contain times that all pods compare. While the clock of this pod is not known to be right, every read is a
 * miss and nothing is stored.
 */
export class FencedCache {
  readonly #link: RedisLink;
  readonly #redisKeys: RedisKeys;
  readonly #box: SealedBox;
  readonly #now: () => number;
  readonly #clock: ClockVerdict;
  readonly #changes: { readonly history: string };
  readonly #maxTtlMs: Record<EntryKind, number>;
  readonly #fenceTtlMs: number;

  /**
   * @param secrets for sealing and for Redis keys: the first writes, all read
   * @param changes names the history that the versions belong to
   * @param recordTtlMs maximum age of a record that Postgres does not confirm, `MAX_STALENESS_MS`
   */
  constructor(
    link: RedisLink,
    secrets: readonly Buffer[],
    now: () => number,
    clock: ClockVerdict,
    changes: { readonly history: string },
    recordTtlMs: number,
  ) {
    this.#link = link;
    this.#redisKeys = new RedisKeys(secrets);
    this.#box = new SealedBox(secrets, now);
    this.#now = now;
    this.#clock = clock;
    this.#changes = changes;
    this.#maxTtlMs = {
      credential: policies.secretMemo.ttlMs,
      response: recordTtlMs,
      counter: policies.heartbeatCounter.ttlMs,
    };
    this.#fenceTtlMs = fenceTtlMs(recordTtlMs);
  }

  /** Whether Redis is connected, and in use. */
  get isUp(): boolean {
    return this.#link.isUp;
  }

  /** Takes one round trip, also during the rotation of a sealing key. */
  async read(kind: EntryKind, id: string, digest: string): Promise<FoundEntry | undefined> {
    // A counter is no time.
    if (!this.#clock.isRight && kind !== 'counter') return undefined;
    const [newest = '', ...older] = this.#redisKeys.entries(kind, id, digest);
    if (older.length === 0) return this.#open(kind, await this.#link.read(newest), newest, false);
    const redisKeys = [newest, ...older];
    const values = await Promise.all(redisKeys.map((redisKey) => this.#link.read(redisKey)));
    for (const [index, redisKey] of redisKeys.entries()) {
      const found = this.#open(kind, values[index], redisKey, index > 0);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The Redis key that an entry is written to. */
  nameOf(kind: EntryKind, id: string, digest: string): string {
    return this.#redisKeys.entries(kind, id, digest)[0] ?? '';
  }

  /** @returns the fence that could not be true and was replaced, if there was one */
  async store({
    kind,
    id,
    version,
    highestVersion,
    digest,
    payload,
    confirmedAtMs,
    expiresAtMs,
  }: SharedEntry): Promise<string | undefined> {
    const nowMs = this.#now();
    // The clock may have been corrected since the time of the payload.
    if (!this.#clock.isRight || confirmedAtMs > nowMs) return undefined;
    const ttlMs = Math.ceil(expiresAtMs - nowMs);
    const [redisKey] = this.#redisKeys.entries(kind, id, digest);
    const [fence] = this.#redisKeys.fences(id, this.#changes.history);
    if (ttlMs <= 0 || redisKey === undefined || fence === undefined) return undefined;
    const guard = { redisKey: fence, ttlMs: this.#fenceTtlMs, highest: highestVersion };
    const reply = await this.#link.store(guard, version, {
      redisKey,
      sealed: this.#box.seal(payload, redisKey, expiresAtMs),
      ttlMs,
    });
    return reply === REPLACED ? fence : undefined;
  }

  #open(
    kind: EntryKind,
    value: Buffer | null | undefined,
    redisKey: string,
    sealedByOlderKey: boolean,
  ): FoundEntry | undefined {
    const opened = value === null || value === undefined ? undefined : this.#box.open(value, redisKey);
    if (opened === undefined) return undefined;
    const { payload, expiresAtMs } = opened;
    // No pod whose clock is right could have written this expiry.
    if (expiresAtMs > this.#now() + this.#maxTtlMs[kind] + CLOCK_SKEW_MS) return undefined;
    return { payload, expiresAtMs, sealedByOlderKey };
  }
}
