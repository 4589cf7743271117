import type { KeyRecord } from './key-record.ts';

/** Where an answer came from, slowest last. */
export type Tier = 'memory' | 'redis' | 'postgres';

/** What a lookup knows of the key: its id, and the digest of the credential that was presented for it. */
export interface KeyQuery {
  id: string;
  digest: string;
}

/** A key record in somebody's hand. */
export interface LoadedKey {
  readonly record: KeyRecord;
  readonly tier: Tier;
  /** When Postgres was asked for this record, or for its version; milliseconds since the epoch. */
  readonly confirmedAtMs: number;
  /** A change of this key has been seen since the record was read: look it up again before relying on it. */
  readonly superseded: boolean;
  /** Outdated, or out of the cache and so not told of changes any more: nothing made from it may be kept. */
  readonly stale: boolean;
  /** What a cache keeps of it, without what belongs to this lookup alone; left out: the object itself. */
  readonly entry?: LoadedKey;
  /** The hash of the record that the presented credential is remembered to match, if the store knew it on the way. */
  readonly verifiedHash?: string | undefined;
}

/**
 * Where key records come from. Postgres implements it; caches wrap it.
 *
 * `get` answers `undefined` for an id that does not exist.
 * It throws `StoreUnavailableError` when the store cannot be asked, and `QuarantinedKeyError` for a row that is broken.
 */
export interface KeyStore {
  get(query: KeyQuery): Promise<LoadedKey | undefined>;
}

/** Answers which version of a key is the current one, for less than the key itself; `undefined` when it is gone. */
export interface KeyVersions {
  currentVersion(id: string): Promise<number | undefined>;
}

/** The store could not answer in time: the caller says 503, never 401. */
export class StoreUnavailableError extends Error {
  override name = 'StoreUnavailableError';

  constructor(store: string, cause?: unknown) {
    super(`${store} did not answer`, { cause });
  }
}

/** More work is waiting than can be done in time: the caller says 503 and the client tries again. */
export class OverloadedError extends Error {
  override name = 'OverloadedError';
}
