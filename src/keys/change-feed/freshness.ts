/** What may be done with something that was read a while ago. */
export type Verdict = 'fresh' | 'revalidate' | 'expired';

/** Bounds of the freshness contract, in milliseconds. */
export interface FreshnessBounds {
  /** Age beyond which a copy is checked before use while the change feed is not whole. */
  revalidateAfterMs: number;
  /** Age beyond which a copy is not used at all when it cannot be checked. */
  maxStalenessMs: number;
}

/**
 * The clock of the freshness contract. The change feed moves `appliedUntilMs`: the moment up to which every change is
 * known to have been applied to every cache of this process. A copy in a cache is therefore known to be good as of
 * its own read or as of that moment, whichever is later.
 *
 * A moment that lies in the future proves nothing: the clock was set back, or another pod's clock is ahead.
 */
export class Freshness {
  appliedUntilMs = Number.NEGATIVE_INFINITY;
  readonly #now: () => number;
  readonly #bounds: FreshnessBounds;

  constructor(now: () => number, bounds: FreshnessBounds) {
    this.#now = now;
    this.#bounds = bounds;
  }

  /** @param confirmedAtMs when the store was asked and answered just this */
  judge(confirmedAtMs: number): Verdict {
    const nowMs = this.#now();
    const ageMs = Math.min(age(nowMs, confirmedAtMs), age(nowMs, this.appliedUntilMs));
    if (ageMs <= this.#bounds.revalidateAfterMs) return 'fresh';
    return ageMs <= this.#bounds.maxStalenessMs ? 'revalidate' : 'expired';
  }
}

function age(nowMs: number, atMs: number): number {
  return atMs <= nowMs ? nowMs - atMs : Number.POSITIVE_INFINITY;
}
