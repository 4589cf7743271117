import type { Logger } from 'pino';

/** Whether times of this pod may be compared with times of other pods. */
export interface ClockVerdict {
  readonly isRight: boolean;
}

export interface ClockCheckDeps {
  now: () => number;
  /** Milliseconds of a monotonic clock. */
  monotonicNow: () => number;
  logger: Logger;
  /** Maximum difference from the clock of the replica, `CLOCK_TOLERANCE_MS`. */
  toleranceMs: number;
  /** Default: those of a pod of a region. */
  words?: ClockWords;
}

/** What messages call the two clocks, and the effect of a wrong one. */
interface ClockWords {
  own: string;
  reference: string;
  effect: string;
}

const REGION: ClockWords = {
  own: 'this pod',
  reference: 'the replica',
  effect: 'the pod is not ready and does not use Redis until it is right',
};
/** The control plane compares its clock with the clock of the primary. */
export const CONTROL_PLANE_WORDS: ClockWords = {
  own: 'this control plane',
  reference: 'the primary',
  effect: 'it is not ready, and creates, rotates and grants no key until it is right',
};

/**
 * Compares the clock of this pod with the clock of its replica. Each read of the change feed returns the replica's
 * time; between reads a monotonic clock continues it, so `isRight` also detects a clock that was set a moment ago.
 *
 * The verdict turns only at a read or a failed read of the feed, where the feed can drop what has times of the former
 * clock. Until then a clock that was wrong stays wrong.
 */
export class ClockCheck implements ClockVerdict {
  readonly #deps: ClockCheckDeps;
  /** The replica's time at the origin of the monotonic clock; `undefined` before the first comparison. */
  #replicaOriginMs: number | undefined;
  #errorMs = 0;
  #verdict: 'unknown' | 'right' | 'wrong' = 'unknown';

  constructor(deps: ClockCheckDeps) {
    this.#deps = deps;
  }

  get isRight(): boolean {
    return this.#verdict === 'right' && this.#isWithinTolerance;
  }

  /** How far the clock is ahead of the replica's, negative if it is behind; `undefined` before the first comparison. */
  get offsetMs(): number | undefined {
    if (this.#replicaOriginMs === undefined) return undefined;
    const { now, monotonicNow } = this.#deps;
    return now() - monotonicNow() - this.#replicaOriginMs;
  }

  /**
   * Whether a time has passed: by the replica's clock, which a monotonic clock continues, so that all pods agree and a step of
   * their own clocks changes nothing. If the clock of this pod differs by more than the tolerance, either of both may be wrong:
   * then only what both say counts, and `undefined` means that they disagree.
   */
  hasPassed(atMs: number): boolean | undefined {
    if (this.#replicaOriginMs === undefined) return undefined;
    // Warm requests call this, and a system call per clock is most of its time: one read of each.
    const ownMs = this.#deps.now();
    const replicaMs = this.#deps.monotonicNow() + this.#replicaOriginMs;
    const passedOnReplica = atMs <= replicaMs;
    const differenceMs = Math.abs(ownMs - replicaMs) + this.#errorMs;
    if (differenceMs <= this.#deps.toleranceMs) return passedOnReplica;
    return atMs <= ownMs === passedOnReplica ? passedOnReplica : undefined;
  }

  /** Why the pod must not serve requests now; empty if its clock is right. */
  obstacles(): string[] {
    if (this.isRight) return [];
    if (this.#verdict === 'unknown')
      return [`the clock has not been compared with the clock of ${this.#words.reference} yet`];
    return [`${this.#difference}; CLOCK_TOLERANCE_MS is ${this.#deps.toleranceMs}`];
  }

  monotonicNow(): number {
    return this.#deps.monotonicNow();
  }

  /**
   * Takes the replica's time from a response that has just arrived.
   * @param sentAtMs when the request was sent, by `monotonicNow`
   * @returns whether the clock became wrong, or right again
   */
  compare(replicaTimeMs: number, sentAtMs: number): boolean {
    const receivedAtMs = this.monotonicNow();
    const errorMs = (receivedAtMs - sentAtMs) / 2;
    // After a slow response the former comparison, continued, is more exact.
    if (errorMs <= this.#deps.toleranceMs / 2) {
      this.#replicaOriginMs = replicaTimeMs - (sentAtMs + receivedAtMs) / 2;
      this.#errorMs = errorMs;
    }
    return this.judge();
  }

  /**
   * Judges again without the replica.
   * @returns whether the clock became wrong, or right again
   */
  judge(): boolean {
    if (this.#replicaOriginMs === undefined) return false;
    const former = this.#verdict;
    this.#verdict = this.#isWithinTolerance ? 'right' : 'wrong';
    if (this.#verdict === former) return false;
    if (this.#verdict === 'wrong') {
      this.#deps.logger.error(`${this.#difference}; ${this.#words.effect}`);
    } else if (former === 'wrong') {
      this.#deps.logger.info(`the clock of ${this.#words.own} is right again`);
    }
    return former !== 'unknown';
  }

  get #words(): ClockWords {
    return this.#deps.words ?? REGION;
  }

  get #isWithinTolerance(): boolean {
    return Math.abs(this.offsetMs ?? Number.POSITIVE_INFINITY) + this.#errorMs <= this.#deps.toleranceMs;
  }

  get #difference(): string {
    const offsetMs = this.offsetMs ?? 0;
    const seconds = (Math.abs(offsetMs) / 1_000).toFixed(1);
    const { own, reference } = this.#words;
    return `the clock of ${own} is ${seconds} s ${offsetMs < 0 ? 'behind' : 'ahead of'} the clock of ${reference}`;
  }
}
