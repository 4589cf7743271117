import { CLOCK_SKEW_MS } from '../../change-feed/change-source.ts';
import type { ClockVerdict } from '../../change-feed/clock-check.ts';
import { policies } from '../policies.ts';
import { REPLACED } from './redis-client.ts';
import { type EntryKind, RedisKeys } from './redis-keys.ts';
import type { RedisLink } from './redis-link.ts';
import { SEAL_BYTES, SealedBox } from './sealed-box.ts';
import { fenceTtlMs } from './shared-fences.ts';
import { WriteQueue } from './write-queue.ts';

/** Memory for entries that Redis has not taken yet. */
const MAX_QUEUED_BYTES = 16 * 1_048_576;
/** Memory of a queued entry besides its payload, approximately. */
const ENTRY_BYTES = 400;
const DRAIN_MS = 1_000;

/**
 * Of a sealed value. Others may write to Redis, so no read is longer. Longer entries are not shared.
 * - A record usually has a few kilobytes. One with more role assignments than fit is verified by each pod.
 * - A response has a body of at most 16 KiB (`SharedResponses`), and the ids of the role scopes, most of which are in the body too.
 * - A counter has at most 16 digits.
 */
const MAX_BYTES: Record<EntryKind, number> = { credential: 262_144, response: 65_536, counter: 128 };

/** The entry needs no store: it has expired, or belongs to another history or to a clock that is wrong now. */
const OBSOLETE = 0;

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

/** Names the history that entries belong to, and the histories in which their versions can be compared. */
export interface Histories {
  readonly history: string;
  readonly lineage: string;
}

interface QueuedEntry extends SharedEntry {
  /** The history that the version belongs to. */
  history: string;
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
  readonly #changes: Histories;
  readonly #maxTtlMs: Record<EntryKind, number>;
  readonly #fenceTtlMs: number;
  readonly #queue = new WriteQueue<QueuedEntry>({
    write: async (_name, entry) => (await this.#write(entry, entry.history)) !== undefined,
    merge: (one, other) => this.#newerOf(one, other),
    weight: { max: MAX_QUEUED_BYTES, of: ({ payload }) => ENTRY_BYTES + payload.length },
  });

  /**
   * @param secrets for sealing and for Redis keys: the first writes, all read
   * @param recordTtlMs maximum age of a record that Postgres does not confirm, `MAX_STALENESS_MS`
   */
  constructor(
    link: RedisLink,
    secrets: readonly Buffer[],
    now: () => number,
    clock: ClockVerdict,
    changes: Histories,
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

  /**
   * Takes one round trip, also during the rotation of a sealing key.
   * @returns `null` for a miss; `undefined` if Redis is unavailable or late
   */
  async read(kind: EntryKind, id: string, digest: string): Promise<FoundEntry | null | undefined> {
    // A counter is no time.
    if (!this.#clock.isRight && kind !== 'counter') return null;
    const [newest = '', ...older] = this.#redisKeys.entries(kind, id, digest);
    const maxBytes = MAX_BYTES[kind];
    if (older.length === 0) return this.#open(kind, await this.#link.read(newest, maxBytes), newest, false);
    const redisKeys = [newest, ...older];
    const values = await Promise.all(redisKeys.map((redisKey) => this.#link.read(redisKey, maxBytes)));
    for (const [index, redisKey] of redisKeys.entries()) {
      const found = this.#open(kind, values[index], redisKey, index > 0);
      if (found) return found;
    }
    return values.includes(undefined) ? undefined : null;
  }

  /** The Redis key that an entry is written to. */
  nameOf(kind: EntryKind, id: string, digest: string): string {
    return this.#redisKeys.entries(kind, id, digest)[0] ?? '';
  }

  /** Number of entries that Redis has not taken yet. */
  get queuedWrites(): number {
    return this.#queue.size;
  }

  /** Stores an entry in the background, and again until Redis takes it. */
  enqueue(entry: SharedEntry): void {
    if (Buffer.byteLength(entry.payload) + SEAL_BYTES > MAX_BYTES[entry.kind]) return;
    const name = `${entry.kind} ${entry.id} ${entry.digest}`;
    this.#queue.enqueue(name, { ...entry, history: this.#changes.history });
  }

  /** @returns the fence that could not be true and was replaced, if there was one */
  async store(entry: SharedEntry): Promise<string | undefined> {
    const { history, lineage } = this.#changes;
    const reply = await this.#write(entry, history);
    return reply === REPLACED ? this.#redisKeys.fences(entry.id, lineage)[0] : undefined;
  }

  /** Resolves when the queued entries are written; waits for 1 s at most, and not without Redis. */
  async drain(): Promise<void> {
    if (this.isUp) await this.#queue.drain(DRAIN_MS);
  }

  /** Drains the queue and stops. */
  async close(): Promise<void> {
    await this.drain();
    this.#queue.close();
  }

  #newerOf(one: QueuedEntry, other: QueuedEntry): QueuedEntry {
    if (one.history !== other.history) return one.history === this.#changes.history ? one : other;
    if (one.version !== other.version) return one.version > other.version ? one : other;
    return one.confirmedAtMs > other.confirmedAtMs ? one : other;
  }

  /** @returns `undefined` if Redis did not take the entry */
  async #write(entry: SharedEntry, history: string): Promise<unknown> {
    const { kind, id, version, highestVersion, digest, payload, confirmedAtMs, expiresAtMs } = entry;
    const nowMs = this.#now();
    // The clock may have been corrected since the time of the payload.
    if (!this.#clock.isRight || confirmedAtMs > nowMs || history !== this.#changes.history) return OBSOLETE;
    const ttlMs = Math.ceil(expiresAtMs - nowMs);
    const [redisKey] = this.#redisKeys.entries(kind, id, digest);
    const fences = this.#redisKeys.fences(id, this.#changes.lineage);
    const [fence] = fences;
    if (ttlMs <= 0 || redisKey === undefined || fence === undefined) return OBSOLETE;
    if (!this.isUp) return undefined;
    const [proof] = this.#redisKeys.proofs(fences, version);
    const guard = { redisKey: fence, ttlMs: this.#fenceTtlMs, highest: highestVersion, proof };
    const sealed = this.#box.seal(payload, redisKey, expiresAtMs);
    return await this.#link.store(guard, version, { redisKey, sealed, ttlMs });
  }

  #open(
    kind: EntryKind,
    value: Buffer | null | undefined,
    redisKey: string,
    sealedByOlderKey: boolean,
  ): FoundEntry | null | undefined {
    if (value === null || value === undefined) return value;
    const opened = this.#box.open(value, redisKey);
    if (opened === undefined) return null;
    const { payload, expiresAtMs } = opened;
    // No pod whose clock is right could have written this expiry.
    if (expiresAtMs > this.#now() + this.#maxTtlMs[kind] + CLOCK_SKEW_MS) return null;
    return { payload, expiresAtMs, sealedByOlderKey };
  }
}
