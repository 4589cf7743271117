import { TracelessError } from '../lib/traceless-error.ts';
import type { KeyRecord } from './key-record.ts';

/** The source of a result, slowest last. */
export type Tier = 'memory' | 'redis' | 'postgres';

/** A lookup by id; `digest` is that of the presented credential. */
export interface KeyQuery {
  id: string;
  digest: string;
}

/** A loaded key record. */
export interface LoadedKey {
  readonly record: KeyRecord;
  readonly tier: Tier;
  /** When the query that confirmed this record or its version started; milliseconds since the epoch. */
  readonly confirmedAtMs: number;
  /** A newer version of the key, or a reason to doubt every earlier read, is known: load it again before use. */
  readonly superseded: boolean;
  /** Superseded, or dropped from the cache and so no longer invalidated: nothing derived from the record may be cached. */
  readonly stale: boolean;
  /** The cache entry, without the data of this lookup. If unset, this object. */
  readonly entry?: LoadedKey;
  /** The hash that the presented credential is known to match, if the store found it during the lookup. */
  readonly verifiedHash?: string | undefined;
}

/**
 * Source of key records. Postgres implements it; caches wrap it.
 *
 * `get` returns `undefined` for an id that does not exist. It throws `StoreUnavailableError` if the store does not
 * respond, `QuarantinedKeyError` for a row that does not parse, and `OutdatedRowError` for a row that is too old.
 */
export interface KeyStore {
  get(query: KeyQuery): Promise<LoadedKey | undefined>;
}

/** Returns the current version of a key, which costs less than the key; `undefined` if the key does not exist. */
export interface KeyVersions {
  currentVersion(id: string): Promise<number | undefined>;
}

/** The store did not respond in time. Callers return 503, never 401. */
export class StoreUnavailableError extends TracelessError {
  override name = 'StoreUnavailableError';

  constructor(store: string, cause?: unknown) {
    super(`${store} did not respond`, { cause });
  }
}

/** The store lacks a version of the key that the region had: it may be an older copy. Callers return 503, never 401. */
export class OutdatedRowError extends TracelessError {
  override name = 'OutdatedRowError';

  constructor(id: string) {
    super(`the row of key ${id} is older than what another pod has seen`);
  }
}

/** Too much work is waiting. Callers return 503, and clients retry. */
export class OverloadedError extends TracelessError {
  override name = 'OverloadedError';
  /** When the client should retry; `undefined` for the default. */
  readonly retryAfterSeconds: number | undefined;

  constructor(message: string, retryAfterSeconds?: number) {
    super(message);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Too many statements are waiting for the database. Its runbook is not that of the argon2 queue. */
export class StoreOverloadedError extends OverloadedError {
  override name = 'StoreOverloadedError';
}
