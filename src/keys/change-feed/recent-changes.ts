import { BoundedCache } from '../../lib/bounded-cache.ts';
import type { Change, ChangeListener } from './change.ts';
import { CLOCK_SKEW_MS } from './change-source.ts';

interface RecordedChange {
  /** Version of a key; for roles, a counter of this process. */
  mark: number;
  atMs: number;
}

/**
 * Records recent changes with their versions. It is the fence of every cache in this process: no cache stores or uses
 * a copy older than a recorded change, however late the copy arrives (from a slow read, Redis, or a restored dump).
 */
export class RecentChanges implements ChangeListener {
  /**
   * A copy that another pod read before this time may be older than a change that is not recorded here. Before the
   * feed has caught up, that is every copy.
   */
  trustedSinceMs = Number.POSITIVE_INFINITY;
  /** Changes recorded up to this time may be evicted: no cache stores a read that began at or before it. */
  forgottenUntilMs = Number.NEGATIVE_INFINITY;
  /** Grows when every cached entry may be stale. No cache stores a read during which it grew. */
  generation = 0;
  /** Name of the history that the replica's rows belong to (docs/adr/0015). No copy of another history is used. */
  history = '';
  /** Name of the histories whose versions can be compared. */
  lineage = '';
  readonly #now: () => number;
  readonly #keys: BoundedCache<string, RecordedChange>;
  readonly #roles: BoundedCache<string, RecordedChange>;
  #roleChangeCount = 0;

  /** @param limits.ttlMs must exceed the lifetime of a record outside of this process */
  constructor(now: () => number, limits: { ttlMs: number; maxEntries: number }) {
    this.#now = now;
    const cache = () =>
      new BoundedCache<string, RecordedChange>({
        ...limits,
        // A flood evicts the oldest change early. Copies from before it then need a check before use.
        onDrop: (recorded, why) => {
          if (why === 'evicted') this.#forget(recorded.atMs);
        },
      });
    this.#keys = cache();
    this.#roles = cache();
  }

  /** Reads that have begun may have reached another server: they are repeated. */
  repeatReads(): void {
    this.generation += 1;
  }

  /** Starts recording; the caller applies every change since `sinceMs` next. */
  startAt(sinceMs: number): void {
    this.trustedSinceMs = sinceMs;
  }

  /** The clock of this pod was set: no time recorded so far can be compared with a later one. */
  restartTimes(): void {
    const nowMs = this.#now();
    this.trustedSinceMs = nowMs + CLOCK_SKEW_MS;
    // A read that began before fails at `generation`.
    this.forgottenUntilMs = Math.min(this.forgottenUntilMs, nowMs);
    this.generation += 1;
  }

  apply(change: Change): void {
    const atMs = this.#now();
    if (change.entity === 'history') {
      const { generation, lineage = generation } = change;
      if (lineage !== this.lineage) {
        this.#keys.clear();
        this.#roles.clear();
      }
      this.history = generation;
      this.lineage = lineage;
    }
    if (change.entity === 'everything' || change.entity === 'history') {
      // Without a new history, recorded changes stay: the replica may now be another one, which is behind the former.
      this.trustedSinceMs = Math.max(this.trustedSinceMs, atMs + CLOCK_SKEW_MS);
      this.generation += 1;
    } else if (change.entity === 'roles') {
      // Not the version: roles of one scope may commit in an order other than that of their versions.
      this.#roleChangeCount += 1;
      this.#roles.set(change.id, { mark: this.#roleChangeCount, atMs });
    } else if (change.version > this.keyVersion(change.id)) {
      this.#keys.set(change.id, { mark: change.version, atMs });
    }
  }

  /** Newest known version of a key; -1 without a recent change. */
  keyVersion(id: string): number {
    return this.#keys.peek(id)?.mark ?? -1;
  }

  /** A number that differs after each change of the roles of a scope; -1 without a recent change. */
  rolesMark(scopeId: string): number {
    return this.#roles.peek(scopeId)?.mark ?? -1;
  }

  /** When the last change of the roles of a scope was recorded; minus infinity without a recent change. */
  rolesChangedAtMs(scopeId: string): number {
    return this.#roles.peek(scopeId)?.atMs ?? Number.NEGATIVE_INFINITY;
  }

  #forget(atMs: number): void {
    this.forgottenUntilMs = Math.max(this.forgottenUntilMs, atMs);
    this.trustedSinceMs = Math.max(this.trustedSinceMs, atMs + CLOCK_SKEW_MS);
  }
}
