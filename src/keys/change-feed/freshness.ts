/** Whether a cached copy may be used: at once, only after a check of its version, or not at all. */
export type Verdict = 'fresh' | 'revalidate' | 'expired';

/** Bounds of the freshness contract, in milliseconds. */
export interface FreshnessBounds {
  /** Beyond this age a copy is checked before use. */
  revalidateAfterMs: number;
  /** Beyond this age a copy that cannot be checked is not used. */
  maxStalenessMs: number;
}

/**
 * The clock of the freshness contract. The change feed moves `appliedUntilMs`: every cache of this process has applied
 * every change up to that time. A cached copy was therefore valid at the time of its own read or at `appliedUntilMs`,
 * whichever is later.
 *
 * A future time proves nothing: the clock was set back, or the clock of another pod is ahead.
 */
export class Freshness {
  appliedUntilMs = Number.NEGATIVE_INFINITY;
  readonly #now: () => number;
  readonly #bounds: FreshnessBounds;

  constructor(now: () => number, bounds: FreshnessBounds) {
    this.#now = now;
    this.#bounds = bounds;
  }

  /** @param confirmedAtMs start of the last read that returned or confirmed the copy */
  judge(confirmedAtMs: number): Verdict {
    const nowMs = this.#now();
    const ageMs = Math.min(age(nowMs, confirmedAtMs), age(nowMs, this.appliedUntilMs));
    if (ageMs <= this.#bounds.revalidateAfterMs) return 'fresh';
    return ageMs <= this.#bounds.maxStalenessMs ? 'revalidate' : 'expired';
  }

  /**
   * When a copy that no change has invalidated was last valid.
   * @param confirmedAtMs as for `judge`
   */
  validAtMs(confirmedAtMs: number): number {
    const nowMs = this.#now();
    return nowMs - Math.min(age(nowMs, confirmedAtMs), age(nowMs, this.appliedUntilMs));
  }
}

function age(nowMs: number, atMs: number): number {
  return atMs <= nowMs ? nowMs - atMs : Number.POSITIVE_INFINITY;
}
