/** A pod that confirms less often is unready if others confirm. */
const LONE_AFTER_MS = 5_000;

export interface LoneOutageDeps {
  now: () => number;
  /** Up to when the change feed of this pod has applied every change. */
  appliedUntilMs: () => number;
  /** Whether lookups of this pod reach the replica. */
  isReplicaAvailable: () => boolean;
  /** The newest time at which another pod had applied every change, by the clock of this pod; `undefined` if unknown. */
  othersConfirmedAtMs: () => number | undefined;
}

/**
 * Finds out whether this pod alone is cut off from the replica. It then uses old copies and cannot load others, so the
 * other pods should get its requests. If no pod reaches the replica, all stay ready: their copies are all there is.
 */
export class LoneOutage {
  readonly #deps: LoneOutageDeps;

  constructor(deps: LoneOutageDeps) {
    this.#deps = deps;
  }

  /** Why the pod must not get requests now; empty if it may. */
  obstacles(): string[] {
    const { now, appliedUntilMs, isReplicaAvailable, othersConfirmedAtMs } = this.#deps;
    const ownAtMs = appliedUntilMs();
    const othersAtMs = othersConfirmedAtMs();
    if (othersAtMs === undefined || isReplicaAvailable()) return [];
    const isBehind = now() - ownAtMs > LONE_AFTER_MS && othersAtMs - ownAtMs > LONE_AFTER_MS;
    if (!isBehind || now() - othersAtMs > LONE_AFTER_MS) return [];
    const age = Number.isFinite(ownAtMs) ? ` for ${Math.round((now() - ownAtMs) / 1_000)} s` : '';
    return [`this pod has not reached the replica${age}, while other pods of the region do`];
  }
}
