import { hashDigest } from '../../../credential/digest.ts';
import type { Change, ChangeListener } from '../../change-feed/change.ts';
import type { KeyRecord } from '../../key-record.ts';
import { Interner } from '../interner.ts';
import { policies } from '../policies.ts';
import { CachePlaces, type Places } from './cache-places.ts';
import { type RedisLink, VERSION_PREFIX_BYTES } from './redis-link.ts';
import { type Opened, SealedBox } from './sealed-box.ts';
import { TombstoneQueue } from './tombstone-queue.ts';

/** What Redis knew about a presented credential. */
export interface RegionCacheAnswer {
  record: CachedRecord | undefined;
  /** Digest of the hash that this credential's secret has been seen to match. */
  verifiedDigest: string | undefined;
}

/** A record as it was when Postgres was asked for it. */
interface CachedRecord {
  record: KeyRecord;
  confirmedAtMs: number;
  /** `hashDigest` of the record's current hash, so that it need not be computed at each hit. */
  secretDigest: string;
}

/** What is sealed: assignments as text, since most keys of an organization share theirs and it is parsed but once. */
interface SealedRecord extends Omit<CachedRecord, 'record'> {
  record: Omit<KeyRecord, 'roleAssignments'> & { roleAssignments: string };
}

type Value = Buffer | null | undefined;

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
  readonly #shared: Interner;
  readonly #tombstones: TombstoneQueue;

  /** @param recordLifeMs how long a record may be used at all without Postgres, `MAX_STALENESS_MS` */
  constructor(
    link: RedisLink,
    secrets: readonly Buffer[],
    now: () => number,
    recordLifeMs: number,
    shared = new Interner(policies.sharedTexts.maxEntries),
  ) {
    this.#link = link;
    this.#places = new CachePlaces(secrets);
    this.#box = new SealedBox(secrets, now);
    this.#now = now;
    this.#recordLifeMs = recordLifeMs;
    this.#shared = shared;
    this.#tombstones = new TombstoneQueue((id, version) => this.#bury(id, version));
  }

  /** One round trip, also while a sealing key is being rotated. */
  async read(id: string, digest: string): Promise<RegionCacheAnswer> {
    const places = this.#places.of(id, digest);
    const answers = await Promise.all(places.map(({ record, secret }) => this.#link.read(record, secret)));
    let record: RegionCacheAnswer['record'];
    for (const [index, place] of places.entries()) {
      record ??= this.#openRecord(answers[index]?.[0], place.record, id);
    }
    return { record, verifiedDigest: this.#openMemo(places, (index) => answers[index]?.[1]) };
  }

  /** The memo alone, for a request that holds the record already. */
  async readVerifiedDigest(id: string, digest: string): Promise<string | undefined> {
    const places = this.#places.of(id, digest);
    const answers = await Promise.all(places.map(({ secret }) => this.#link.read(secret)));
    return this.#openMemo(places, (index) => answers[index]?.[0]);
  }

  /** Stores a record unless Redis has seen a newer version of the key. */
  async storeRecord(record: KeyRecord, confirmedAtMs: number): Promise<void> {
    const expiresAtMs = confirmedAtMs + this.#recordLifeMs;
    const lifeMs = expiresAtMs - this.#now();
    if (lifeMs <= 0) return;
    const [place] = this.#places.records(record.id) as [string];
    const payload: SealedRecord = {
      record: { ...record, roleAssignments: JSON.stringify(record.roleAssignments) },
      confirmedAtMs,
      secretDigest: hashDigest(record.secretHash),
    };
    const sealed = this.#box.seal(JSON.stringify(payload), place, expiresAtMs);
    await this.#link.writeVersion(place, record.version, sealed, Math.ceil(lifeMs));
  }

  async storeVerifiedDigest(id: string, digest: string, verifiedDigest: string): Promise<void> {
    const [{ secret }] = this.#places.of(id, digest) as [Places];
    await this.#storeMemo(secret, verifiedDigest, this.#now() + policies.secretMemo.lifeMs);
  }

  /** Leaves a tombstone for each changed key, so that no slower pod stores what it read before the change. */
  apply(change: Change): void {
    if (change.entity === 'key') this.#tombstones.add(change.id, change.version);
  }

  async #bury(id: string, version: number): Promise<void> {
    const lifeMs = this.#recordLifeMs + policies.recentChanges.marginMs;
    await Promise.all(
      this.#places.records(id).map((place) => this.#link.writeVersion(place, version, undefined, lifeMs)),
    );
  }

  #openRecord(value: Value, place: string, id: string): RegionCacheAnswer['record'] {
    const opened = this.#open(value?.subarray(VERSION_PREFIX_BYTES), place);
    if (opened === undefined) return undefined;
    const { record, ...rest } = JSON.parse(opened.payload) as SealedRecord;
    if (record.id !== id) return undefined;
    const roleAssignments = this.#shared.assignments(record.organizationId, record.roleAssignments);
    return { record: { ...record, roleAssignments }, ...rest };
  }

  /** One that an older key has sealed is sealed anew, with what is left of its life: the older key may go soon. */
  #openMemo(places: readonly Places[], valueAt: (index: number) => Value): string | undefined {
    for (const [index, { secret }] of places.entries()) {
      const opened = this.#open(valueAt(index), secret);
      if (opened === undefined) continue;
      if (index > 0) void this.#storeMemo((places[0] as Places).secret, opened.payload, opened.expiresAtMs);
      return opened.payload;
    }
    return undefined;
  }

  async #storeMemo(place: string, verifiedDigest: string, expiresAtMs: number): Promise<void> {
    const sealed = this.#box.seal(verifiedDigest, place, expiresAtMs);
    await this.#link.write(place, sealed, Math.ceil(expiresAtMs - this.#now()));
  }

  #open(value: Value, place: string): Opened | undefined {
    return value === null || value === undefined ? undefined : this.#box.open(value, place);
  }
}
