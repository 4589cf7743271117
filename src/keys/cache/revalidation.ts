import { SingleFlight } from '../../lib/single-flight.ts';
import type { Freshness } from '../change-feed/freshness.ts';
import { type KeyVersions, type LoadedKey, StoreUnavailableError } from '../key-store.ts';
import { type Fences, noFences } from './fences.ts';

/**
 * Result of a revalidation: confirmed now; not confirmed, but within `maxStalenessMs` and not behind a fence; or
 * superseded.
 */
export type Revalidated =
  | { result: 'confirmed'; atMs: number }
  | { result: 'unconfirmed' }
  | { result: 'superseded' };

/** Checks cached key records by version, as the freshness contract requires while the change feed is behind. */
export class Revalidation {
  readonly #versions: KeyVersions;
  readonly #freshness: Freshness;
  readonly #now: () => number;
  readonly #fences: Fences;
  readonly #flights = new SingleFlight<{ version: number | undefined; requestedAtMs: number }>();

  constructor(versions: KeyVersions, freshness: Freshness, now: () => number, fences: Fences = noFences) {
    this.#versions = versions;
    this.#freshness = freshness;
    this.#now = now;
    this.#fences = fences;
  }

  /** @throws {StoreUnavailableError} if Postgres is unavailable and the record is older than `maxStalenessMs` */
  async check(loaded: LoadedKey): Promise<Revalidated> {
    try {
      const { version, requestedAtMs } = await this.#current(loaded.record.id);
      return version === loaded.record.version
        ? { result: 'confirmed', atMs: requestedAtMs }
        : { result: 'superseded' };
    } catch (error) {
      const usable =
        error instanceof StoreUnavailableError && this.#freshness.judge(loaded.confirmedAtMs) !== 'expired';
      if (!usable) throw error;
      return { result: (await this.#isBehindFence(loaded)) ? 'superseded' : 'unconfirmed' };
    }
  }

  #isBehindFence({ record: { id, version }, confirmedAtMs }: LoadedKey): Promise<boolean> {
    return this.#fences.supersede({
      key: { id, version },
      scopes: [],
      confirmedAtMs: this.#freshness.validAtMs(confirmedAtMs),
    });
  }

  #current(id: string) {
    return this.#flights.run(id, async () => {
      const requestedAtMs = this.#now();
      return { version: await this.#versions.currentVersion(id), requestedAtMs };
    });
  }
}
