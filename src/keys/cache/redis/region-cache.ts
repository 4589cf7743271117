import type { Change, ChangeListener } from '../../change-feed/change.ts';
import type { KeyRecord } from '../../key-record.ts';
import { policies } from '../policies.ts';
import { CachePlaces, type Places } from './cache-places.ts';
import { type RedisLink, VERSION_PREFIX_BYTES } from './redis-link.ts';
import { SealedBox } from './sealed-box.ts';

/** What Redis knew about a presented credential. */
export interface RegionCacheAnswer {
  record: { record: KeyRecord; confirmedAtMs: number } | undefined;
  /** Digest of the hash that this credential's secret has been seen to match. */
  verifiedHash: string | undefined;
}

const NOTHING: RegionCacheAnswer = { record: undefined, verifiedHash: undefined };

/**
 * What the pods of a region share (L2): key records, short-lived, and verified-secret memos, long-lived. Everything
 * in it is sealed; nothing read from it is believed without the checks of `RedisKeyStore`.
 */
export class RegionCache implements ChangeListener {
  readonly #link: RedisLink;
  readonly #places: CachePlaces;
  readonly #box: SealedBox;
  readonly #now: () => number;
  readonly #recordLifeMs: number;

  /** @param recordLifeMs how long a record may be used at all without Postgres, `MAX_STALENESS_MS` */
  constructor(link: RedisLink, secrets: readonly Buffer[], now: () => number, recordLifeMs: number) {
    this.#link = link;
    this.#places = new CachePlaces(secrets);
    this.#box = new SealedBox(secrets, now);
    this.#now = now;
    this.#recordLifeMs = recordLifeMs;
  }

  /** One round trip, also while a sealing key is being rotated. */
  async read(id: string, digest: string): Promise<RegionCacheAnswer> {
    const places = this.#places.of(id, digest);
    const answers = await Promise.all(places.map(({ record, secret }) => this.#link.read(record, secret)));
    let best = NOTHING;
    for (const [index, place] of places.entries()) {
      const [record, secret] = answers[index] ?? [];
      best = {
        record: best.record ?? this.#openRecord(record, place.record, id),
        verifiedHash: best.verifiedHash ?? this.#open(secret, place.secret),
      };
    }
    return best;
  }

  /** The memo alone, for a request that holds the record already. */
  async readVerifiedHash(id: string, digest: string): Promise<string | undefined> {
    for (const { secret } of this.#places.of(id, digest)) {
      const [value] = (await this.#link.read(secret)) ?? [];
      const opened = this.#open(value, secret);
      if (opened !== undefined) return opened;
    }
    return undefined;
  }

  /** Stores a record unless Redis has seen a newer version of the key. */
  async storeRecord(record: KeyRecord, confirmedAtMs: number): Promise<void> {
    const lifeMs = confirmedAtMs + this.#recordLifeMs - this.#now();
    if (lifeMs <= 0) return;
    const [place] = this.#places.records(record.id) as [string];
    const sealed = this.#box.seal(
      JSON.stringify({ record, confirmedAtMs }),
      place,
      confirmedAtMs + this.#recordLifeMs,
    );
    await this.#link.writeVersion(place, record.version, sealed, Math.ceil(lifeMs));
  }

  async storeVerifiedHash(id: string, digest: string, verifiedHash: string): Promise<void> {
    const { lifeMs } = policies.secretMemo;
    const [{ secret }] = this.#places.of(id, digest) as [Places];
    await this.#link.write(secret, this.#box.seal(verifiedHash, secret, this.#now() + lifeMs), lifeMs);
  }

  /** Leaves a tombstone for each changed key, so that no slower pod stores what it read before the change. */
  apply(change: Change): void {
    if (change.entity !== 'key') return;
    for (const place of this.#places.records(change.id)) {
      void this.#link.writeVersion(
        place,
        change.version,
        undefined,
        this.#recordLifeMs + policies.recentChanges.marginMs,
      );
    }
  }

  #openRecord(value: Buffer | null | undefined, place: string, id: string): RegionCacheAnswer['record'] {
    const payload = this.#open(value?.subarray(VERSION_PREFIX_BYTES), place);
    if (payload === undefined) return undefined;
    const answer = JSON.parse(payload) as { record: KeyRecord; confirmedAtMs: number };
    return answer.record.id === id ? answer : undefined;
  }

  #open(value: Buffer | null | undefined, place: string): string | undefined {
    return value === null || value === undefined ? undefined : this.#box.open(value, place);
  }
}
