import type { KeyRecord } from '../../key-record.ts';
import type { Interner } from '../interner.ts';
import { policies } from '../policies.ts';
import type { FencedCache } from './fenced-cache.ts';

/** A key as it was when Postgres was asked for it, and the hash of it that a credential's secret was seen to match. */
export interface VerifiedKey {
  record: KeyRecord;
  confirmedAtMs: number;
  verifiedHash: string;
}

/** What the region knew about a presented credential. */
export interface SharedKey extends VerifiedKey {
  /** Whether the record may be used; one that is too old only names the hash. */
  recordIsUsable: boolean;
  /** Until when the secret may be taken as verified. */
  expiresAtMs: number;
}

/** Written as a line of its own; the role assignments follow as text, since many keys share theirs. */
type Line = Omit<VerifiedKey, 'record'> & { record: Omit<KeyRecord, 'roleAssignments'> };

/**
 * Credentials that were verified in the region, with their keys: the key is good for a short while, and the hash that
 * the secret matched for long.
 */
export class VerifiedKeys {
  readonly #cache: FencedCache;
  readonly #now: () => number;
  readonly #recordTtlMs: number;
  readonly #shared: Interner;

  /** @param recordTtlMs how long a record may be used at all without Postgres, `MAX_STALENESS_MS` */
  constructor(cache: FencedCache, now: () => number, recordTtlMs: number, shared: Interner) {
    this.#cache = cache;
    this.#now = now;
    this.#recordTtlMs = recordTtlMs;
    this.#shared = shared;
  }

  /** @param digest `credentialDigest` */
  async read(id: string, digest: string): Promise<SharedKey | undefined> {
    const found = await this.#cache.read('credential', id, digest);
    if (found === undefined) return undefined;
    const { expiresAtMs } = found;
    const payload = found.payload.toString();
    const endOfLine = payload.indexOf('\n');
    const { record, confirmedAtMs, verifiedHash } = JSON.parse(payload.slice(0, endOfLine)) as Line;
    if (record.id !== id) return undefined;
    const roleAssignments = this.#shared.assignments(record.organizationId, payload.slice(endOfLine + 1));
    const key = {
      record: { ...record, roleAssignments },
      confirmedAtMs,
      verifiedHash,
      recordIsUsable: confirmedAtMs + this.#recordTtlMs > this.#now(),
      expiresAtMs,
    };
    if (found.sealedByOlderKey) void this.store(key, digest, expiresAtMs);
    return key;
  }

  async store(
    { record, confirmedAtMs, verifiedHash }: VerifiedKey,
    digest: string,
    expiresAtMs = this.#now() + policies.secretMemo.ttlMs,
  ): Promise<void> {
    const { roleAssignments, ...rest } = record;
    const line: Line = { record: rest, confirmedAtMs, verifiedHash };
    const { id, version } = record;
    const payload = `${JSON.stringify(line)}\n${JSON.stringify(roleAssignments)}`;
    await this.#cache.store({ kind: 'credential', id, version, digest, payload, expiresAtMs });
  }
}
