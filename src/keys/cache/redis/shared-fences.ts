import type { Change, ChangeListener } from '../../change-feed/change.ts';
import { CLOCK_SKEW_MS } from '../../change-feed/change-source.ts';
import type { ClockVerdict } from '../../change-feed/clock-check.ts';
import type { CopyOrigin, Fences, VersionFences } from '../fences.ts';
import { policies } from '../policies.ts';
import type { RedisKeys } from './redis-keys.ts';
import type { RedisLink } from './redis-link.ts';
import { NUMBER_BYTES, RisingNumbers } from './rising-numbers.ts';
import { WriteQueue } from './write-queue.ts';

/** Of a version; its proof follows. */
const DIGITS = 16;

/** Stands in for fences that were shed, and for all of another history. */
const REGION = 'region';

/**
 * A fence must outlive every copy from before its change, and every read that may have begun before it.
 * @param recordTtlMs maximum age of a record that Postgres does not confirm, `MAX_STALENESS_MS`
 */
export function fenceTtlMs(recordTtlMs: number): number {
  return recordTtlMs + policies.recentChanges.marginMs;
}

export interface SharedFencesDeps {
  link: RedisLink;
  redisKeys: RedisKeys;
  now: () => number;
  clock: ClockVerdict;
  /** Names the histories in which the versions can be compared. */
  changes: { readonly lineage: string };
  ttlMs: number;
}

/**
 * The fences of a region in Redis. Every pod raises the fence of each key and role scope that changes, so that a slower
 * pod cannot store what it read before the change, and a pod that is cut off from the replica learns of it.
 *
 * The fence of a key is a version. Roles of one scope have no common version, because they may commit in another order,
 * so their fence is the time at which a pod applied the change. A pod whose clock is wrong does not raise it.
 */
export class SharedFences implements ChangeListener, Fences, VersionFences {
  readonly #deps: SharedFencesDeps;
  readonly #numbers: RisingNumbers;
  readonly #keys: WriteQueue<number>;
  readonly #scopes: WriteQueue<number>;
  readonly #region: WriteQueue<number>;
  #history: string | undefined;

  constructor(deps: SharedFencesDeps) {
    const { link, redisKeys, ttlMs } = deps;
    this.#deps = deps;
    this.#numbers = new RisingNumbers(link);
    const times = (name: string, atMs: number) => this.#numbers.raise(redisKeys.times(name), atMs, ttlMs);
    this.#region = new WriteQueue({ write: times, merge: Math.max });
    const onShed = () => this.#raiseForRegion();
    this.#keys = new WriteQueue({
      write: (name, version) => {
        const names = redisKeys.fences(...splitName(name));
        return this.#numbers.raise(names, version, ttlMs, redisKeys.proofs(names, version));
      },
      merge: Math.max,
      onShed,
    });
    this.#scopes = new WriteQueue({ write: times, merge: Math.max, onShed });
  }

  apply(change: Change): void {
    const { changes, clock, now } = this.#deps;
    if (change.entity === 'key') this.#keys.enqueue(nameOf(change.id, changes.lineage), change.version);
    else if (change.entity === 'roles' && clock.isRight) this.#scopes.enqueue(change.id, now());
    else if (change.entity === 'history') this.#beginHistory(change.generation);
  }

  /** Number of fences that Redis has not taken yet. */
  get queued(): number {
    return this.#keys.size + this.#scopes.size + this.#region.size;
  }

  async supersede({ key, scopes, confirmedAtMs }: CopyOrigin): Promise<boolean> {
    const { redisKeys, clock, changes } = this.#deps;
    // The times of the copy cannot be compared with those of the fences.
    if (!clock.isRight) return true;
    const times = [REGION, ...scopes].map((name) => redisKeys.times(name));
    const versions = key === undefined ? [] : [redisKeys.fences(key.id, changes.lineage)];
    const found = await this.#numbers.read([...times, ...versions]);
    if (found === undefined) return false;
    const changedAtMs = Math.max(...found.slice(0, times.length));
    const version = found[times.length] ?? Number.NEGATIVE_INFINITY;
    return changedAtMs + CLOCK_SKEW_MS >= confirmedAtMs || (key !== undefined && version > key.version);
  }

  /** Needs no right clock. Counts only what a pod wrote: a forged fence would deny its key. */
  async newestVersion(id: string): Promise<number | undefined> {
    const { link, redisKeys, changes } = this.#deps;
    const names = redisKeys.fences(id, changes.lineage);
    const values = await Promise.all(names.map((name) => link.read(name, NUMBER_BYTES)));
    let newest = -1;
    for (const [index, value] of values.entries()) {
      if (value === undefined) return undefined;
      const text = value?.toString('latin1') ?? '';
      const version = /^[0-9a-f]{16}/.test(text) ? Number.parseInt(text.slice(0, DIGITS), 16) : -1;
      if (version > newest && redisKeys.isProof(text.slice(DIGITS), names[index] as string, index, version))
        newest = version;
    }
    return newest;
  }

  /** Versions of the former history mean nothing now. A pod that is cut off may still have copies of it. */
  #beginHistory(history: string): void {
    if (this.#history !== undefined && this.#history !== history) this.#raiseForRegion();
    this.#history = history;
  }

  #raiseForRegion(): void {
    if (this.#deps.clock.isRight) this.#region.enqueue(REGION, this.#deps.now());
  }

  close(): void {
    for (const queue of [this.#keys, this.#scopes, this.#region]) queue.close();
  }
}

/** A version counts only in its lineage, which may end before the fence is raised. */
function nameOf(id: string, lineage: string): string {
  return `${lineage}\n${id}`;
}

function splitName(name: string): [id: string, lineage: string] {
  const end = name.indexOf('\n');
  return [name.slice(end + 1), name.slice(0, end)];
}
