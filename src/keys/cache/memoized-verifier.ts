import { hashDigest } from '../../credential/digest.ts';
import { BoundedCache } from '../../lib/bounded-cache.ts';
import { SingleFlight } from '../../lib/single-flight.ts';
import type { HasPassed } from '../expiry.ts';
import { type KeyRecord, ownHash } from '../key-record.ts';
import type { LoadedKey } from '../key-store.ts';
import type { IsGone, SecretMatch, SecretVerifier } from '../secret-verifier.ts';
import type { SecretMemo } from './handover-file.ts';
import { policies } from './policies.ts';

/** Shared memos of verified credentials, by `credentialDigest`. */
export interface SharedMemos {
  /** Returns the hash that the credential's secret matched. */
  read(id: string, digest: string): Promise<{ verifiedHash: string } | null | undefined>;
  store(verified: { record: KeyRecord; confirmedAtMs: number; verifiedHash: string }, digest: string): void;
}

/**
 * Caches which hash a secret matched, and for a short time which hashes a wrong secret did not match. Both contain the
 * hash itself, so a stale entry is harmless: a rotated key has another hash, and the record decides everything else.
 */
export class MemoizedVerifier implements SecretVerifier {
  readonly #inner: SecretVerifier;
  readonly #shared: SharedMemos | undefined;
  readonly #hasPassed: HasPassed;
  /** The hash that a credential matched: the record's own string, so it takes no extra memory. */
  readonly #verified: BoundedCache<string, string>;
  /** Memos of the pod that ran before, until their first use. */
  readonly #handedOver: BoundedCache<string, string>;
  readonly #wrong: BoundedCache<string, string>;
  readonly #flights = new SingleFlight<SecretMatch>();

  /** @param shared memos in Redis; `undefined` without Redis */
  constructor(
    inner: SecretVerifier,
    shared: SharedMemos | undefined,
    hasPassed: HasPassed,
    maxEntries: number,
  ) {
    this.#inner = inner;
    this.#shared = shared;
    this.#hasPassed = hasPassed;
    this.#verified = new BoundedCache({ maxEntries, ttlMs: policies.secretMemo.ttlMs });
    this.#handedOver = new BoundedCache({ ...policies.handover, maxEntries });
    this.#wrong = new BoundedCache(policies.wrongSecret);
  }

  takeOver(memos: readonly SecretMemo[]): void {
    for (const [digest, verifiedHash] of memos) this.#handedOver.set(digest, verifiedHash);
  }

  /** What the next pod can take over, the least recently used first. */
  memosToLeave(): SecretMemo[] {
    const { maxEntries } = policies.handover;
    const used = this.#verified.newest(maxEntries);
    return [...this.#handedOver.newest(maxEntries - used.length), ...used];
  }

  async match(
    loaded: LoadedKey,
    secret: string,
    digest: string,
    network?: string,
    isGone: IsGone = () => false,
  ): Promise<SecretMatch> {
    const { record } = loaded;
    const previousHash = this.#previousHash(record);
    const matchOf = (hash: string | undefined): SecretMatch | undefined => {
      if (hash === undefined) return undefined;
      return hash === record.secretHash ? 'current' : hash === previousHash ? 'previous' : undefined;
    };
    const cacheMatch = (hash: string | undefined): SecretMatch | undefined => {
      if (hash !== undefined) this.#verified.set(digest, hash);
      return matchOf(hash);
    };

    const cached =
      matchOf(this.#verified.get(digest)) ??
      cacheMatch(loaded.verifiedHash ?? this.#useHandedOver(record, digest));
    if (cached !== undefined) return cached;
    const hashes = hashDigest(`${record.secretHash} ${previousHash ?? ''}`);
    if (this.#wrong.get(digest) === hashes) return 'none';

    const compare = async (areAllGone: IsGone) => {
      const shared = cacheMatch(await this.#lookupShared(loaded, digest));
      if (shared !== undefined) return shared;
      const match = await this.#inner.match(loaded, secret, digest, network, areAllGone);
      if (match === 'none') this.#wrong.set(digest, hashes);
      else this.#store(loaded, digest, match === 'current' ? record.secretHash : (previousHash ?? ''));
      return match;
    };
    return await this.#flights.run(`${digest} ${hashes}`, compare, isGone);
  }

  #useHandedOver(record: KeyRecord, digest: string): string | undefined {
    const verifiedHash = this.#handedOver.peek(digest);
    this.#handedOver.delete(digest);
    return ownHash(record, verifiedHash);
  }

  /** A lookup in Redis or Postgres already included the memo; only a record from memory did not. */
  async #lookupShared(loaded: LoadedKey, digest: string): Promise<string | undefined> {
    if (loaded.tier !== 'memory') return undefined;
    return ownHash(loaded.record, (await this.#shared?.read(loaded.record.id, digest))?.verifiedHash);
  }

  #previousHash(record: KeyRecord): string | undefined {
    const { previousSecretHash, previousSecretExpiresAtMs } = record;
    // The secret still counts if the end is undecidable; the authenticator then refuses it with 503 instead of 401.
    const inGrace = previousSecretExpiresAtMs !== null && !this.#hasPassed(previousSecretExpiresAtMs);
    return previousSecretHash !== null && inGrace ? previousSecretHash : undefined;
  }

  #store({ record, confirmedAtMs, superseded }: LoadedKey, digest: string, verifiedHash: string): void {
    this.#verified.set(digest, verifiedHash);
    // A superseded record may belong to a former history. An evicted one is as good as one that the cache holds.
    if (!superseded) this.#shared?.store({ record, confirmedAtMs, verifiedHash }, digest);
  }
}
