import { CLOCK_SKEW_MS } from '../../change-feed/change-source.ts';
import type { KeyRecord } from '../../key-record.ts';
import type { Interner } from '../interner.ts';
import { policies } from '../policies.ts';
import type { FencedCache, FoundEntry } from './fenced-cache.ts';

/** A key record as of `confirmedAtMs`, and which of its hashes the secret of a credential matched. */
export interface VerifiedKey {
  record: KeyRecord;
  confirmedAtMs: number;
  verifiedHash: string;
}

/** A credential that a pod of the region has verified. */
export interface SharedKey extends VerifiedKey {
  /** `false` if the record is too old or of another history: then only `verifiedHash` is of use. */
  recordIsUsable: boolean;
  /** The secret counts as verified until then. */
  expiresAtMs: number;
}

/** First line of the payload. Role assignments follow as text, since many keys share the same ones. */
type FirstLine = Omit<VerifiedKey, 'record'> & {
  record: Omit<KeyRecord, 'roleAssignments'>;
  /** The history that the record belongs to. */
  history: string;
};

/**
 * Shares verified credentials between the pods of a region. The record is usable for a short time; the hash that the
 * secret matched is usable for much longer.
 */
export class VerifiedKeys {
  readonly #cache: FencedCache;
  readonly #now: () => number;
  readonly #changes: { readonly history: string };
  readonly #recordTtlMs: number;
  readonly #shared: Interner;

  /**
   * @param changes names the current history
   * @param recordTtlMs maximum age of a record that Postgres does not confirm, `MAX_STALENESS_MS`
   */
  constructor(
    cache: FencedCache,
    now: () => number,
    changes: { readonly history: string },
    recordTtlMs: number,
    shared: Interner,
  ) {
    this.#cache = cache;
    this.#now = now;
    this.#changes = changes;
    this.#recordTtlMs = recordTtlMs;
    this.#shared = shared;
  }

  /**
   * @param digest `credentialDigest`
   * @returns `null` for a miss; `undefined` if Redis is unavailable or late
   */
  async read(id: string, digest: string): Promise<SharedKey | null | undefined> {
    const found = await this.#cache.read('credential', id, digest);
    if (!found) return found;
    try {
      return this.#parse(found, id, digest);
    } catch {
      return null; // of another format
    }
  }

  #parse(found: FoundEntry, id: string, digest: string): SharedKey | null {
    const { expiresAtMs } = found;
    const payload = found.payload.toString();
    const endOfLine = payload.indexOf('\n');
    const { record, confirmedAtMs, verifiedHash, history } = JSON.parse(
      payload.slice(0, endOfLine),
    ) as FirstLine;
    if (record.id !== id || !Number.isSafeInteger(record.version) || !Number.isFinite(confirmedAtMs))
      return null;
    // From a pod whose clock was wrong: the record would outlive the recent changes.
    if (confirmedAtMs > this.#now() + CLOCK_SKEW_MS) return null;
    const roleAssignments = this.#shared.assignments(record.organizationId, payload.slice(endOfLine + 1));
    const key = {
      record: { ...record, roleAssignments },
      confirmedAtMs,
      verifiedHash,
      recordIsUsable: history === this.#changes.history && confirmedAtMs + this.#recordTtlMs > this.#now(),
      expiresAtMs,
    };
    if (found.sealedByOlderKey && history === this.#changes.history) this.store(key, digest, expiresAtMs);
    return key;
  }

  store(
    { record, confirmedAtMs, verifiedHash }: VerifiedKey,
    digest: string,
    expiresAtMs = this.#now() + policies.secretMemo.ttlMs,
  ): void {
    const { roleAssignments, ...rest } = record;
    const line: FirstLine = { record: rest, confirmedAtMs, verifiedHash, history: this.#changes.history };
    const { id, version } = record;
    const payload = `${JSON.stringify(line)}\n${JSON.stringify(roleAssignments)}`;
    this.#cache.enqueue({ kind: 'credential', id, version, digest, payload, confirmedAtMs, expiresAtMs });
  }
}
