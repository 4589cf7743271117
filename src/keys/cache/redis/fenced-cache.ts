import type { Change, ChangeListener } from '../../change-feed/change.ts';
import { policies } from '../policies.ts';
import { FenceQueue } from './fence-queue.ts';
import { type EntryKind, RedisKeys } from './redis-keys.ts';
import type { RedisLink } from './redis-link.ts';
import { SealedBox } from './sealed-box.ts';

/** Something that follows from an API key and is kept for the other pods. */
export interface SharedEntry {
  kind: EntryKind;
  /** The API key, and the version of it that this follows from. */
  id: string;
  version: number;
  /** Digest of what else names the entry. */
  digest: string;
  payload: string;
  expiresAtMs: number;
}

/** An entry that was found. */
export interface FoundEntry {
  /** UTF-8. */
  payload: Buffer;
  expiresAtMs: number;
  /** It was sealed with a key that is not the first any more and may go soon. */
  sealedByOlderKey: boolean;
}

/**
 * What the pods of a region share (L2). Everything in it is sealed, and named by keyed digests. An entry is stored only
 * if no newer version of its API key has been seen; whoever reads it has to decide whether it may be believed.
 */
export class FencedCache implements ChangeListener {
  readonly #link: RedisLink;
  readonly #places: RedisKeys;
  readonly #box: SealedBox;
  readonly #now: () => number;
  readonly #fenceTtlMs: number;
  readonly #fences: FenceQueue;

  /**
   * @param secrets keys for sealing and naming: the first for writing, all for reading
   * @param recordTtlMs how long anything may be used without Postgres, `MAX_STALENESS_MS`
   */
  constructor(link: RedisLink, secrets: readonly Buffer[], now: () => number, recordTtlMs: number) {
    this.#link = link;
    this.#places = new RedisKeys(secrets);
    this.#box = new SealedBox(secrets, now);
    this.#now = now;
    // Longer than any read that may have begun before the change.
    this.#fenceTtlMs = recordTtlMs + policies.recentChanges.marginMs;
    this.#fences = new FenceQueue((id, version) => this.#raise(id, version));
  }

  /** One round trip, also while a sealing key is being rotated. */
  async read(kind: EntryKind, id: string, digest: string): Promise<FoundEntry | undefined> {
    const [newest = '', ...older] = this.#places.entries(kind, id, digest);
    if (older.length === 0) return this.#open(await this.#link.read(newest), newest, false);
    const places = [newest, ...older];
    const values = await Promise.all(places.map((place) => this.#link.read(place)));
    for (const [index, place] of places.entries()) {
      const found = this.#open(values[index], place, index > 0);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async store({ kind, id, version, digest, payload, expiresAtMs }: SharedEntry): Promise<void> {
    const ttlMs = Math.ceil(expiresAtMs - this.#now());
    const [place] = this.#places.entries(kind, id, digest);
    const [fence] = this.#places.fences(id);
    if (ttlMs <= 0 || place === undefined || fence === undefined) return;
    await this.#link.store({ place: fence, ttlMs: this.#fenceTtlMs }, version, {
      place,
      sealed: this.#box.seal(payload, place, expiresAtMs),
      ttlMs,
    });
  }

  /** Raises the fence of each changed key, so that no slower pod stores what it read before the change. */
  apply(change: Change): void {
    if (change.entity === 'key') this.#fences.add(change.id, change.version);
  }

  async #raise(id: string, version: number): Promise<void> {
    const ttlMs = this.#fenceTtlMs;
    await Promise.all(
      this.#places.fences(id).map((place) => this.#link.raiseFence({ place, ttlMs }, version)),
    );
  }

  #open(value: Buffer | null | undefined, place: string, sealedByOlderKey: boolean): FoundEntry | undefined {
    const opened = value === null || value === undefined ? undefined : this.#box.open(value, place);
    return opened && { payload: opened.payload, expiresAtMs: opened.expiresAtMs, sealedByOlderKey };
  }
}
