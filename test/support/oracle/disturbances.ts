/** Time of an undisturbed change until every pod must have applied it. The contract is 100 ms on an idle machine. */
export const ORDINARY_MS = 3_000;

/** What a fault may do by docs/failure-modes.md, beyond the calls that it breaks itself. */
export interface Effect {
  /** Changes may reach all pods, or one pod, late. */
  delays?: 'all' | number;
  /** The longest time that the affected pods may use old copies, for a fault that lasts. */
  maxDelayMs?: number;
  /** Valid keys may get 503 on all pods, or on one. */
  unavailable?: 'all' | number;
  /** Ids and secrets that the region does not have may get 503 instead of 401 on all pods. */
  unknownUnavailable?: boolean;
  /** Calls may end without a response on one pod. */
  unanswered?: number;
  /** How long the effects may last after the fault has ended. */
  recoveryMs: number;
}

/** A fault that lasts, or has lasted. */
interface Disturbance extends Effect {
  name: string;
  fromMs: number;
  /** Infinity while the fault lasts. */
  toMs: number;
}

const concerns = (affected: 'all' | number | undefined, pod: number) =>
  affected === 'all' || affected === pod;

/** All faults of a run, and what they excuse. Times are those of `Date.now()`. */
export class Disturbances {
  readonly #all: Disturbance[] = [];

  /** Records a fault that begins now. @returns ends it */
  begin(name: string, effect: Effect): () => void {
    const disturbance = { ...effect, name, fromMs: Date.now(), toMs: Number.POSITIVE_INFINITY };
    this.#all.push(disturbance);
    return () => {
      disturbance.toMs = Date.now();
    };
  }

  /** The time from which a pod must have applied a change that was committed at `atMs` at the latest. */
  appliedBy(atMs: number, pod: number): number {
    let by = atMs + ORDINARY_MS;
    for (let before = -1; before !== by; ) {
      before = by;
      for (const { delays, fromMs, toMs, recoveryMs, maxDelayMs = Number.POSITIVE_INFINITY } of this.#all) {
        if (!concerns(delays, pod) || fromMs >= by || toMs + recoveryMs <= atMs) continue;
        by = Math.max(by, Math.min(toMs + recoveryMs, Math.max(fromMs, atMs) + maxDelayMs));
      }
    }
    return by;
  }

  /** Whether a valid key may have got 503 from a pod in a call. */
  excusesUnavailable(pod: number, sentMs: number, receivedMs: number): boolean {
    return this.#any(sentMs, receivedMs, ({ unavailable }) => concerns(unavailable, pod));
  }

  /** Whether an id or secret that the region lacks may have got 503. */
  excusesUnknownUnavailable(sentMs: number, receivedMs: number): boolean {
    return this.#any(sentMs, receivedMs, ({ unknownUnavailable }) => unknownUnavailable === true);
  }

  /** Whether a call may have ended without a response. */
  excusesUnanswered(pod: number, sentMs: number, receivedMs: number): boolean {
    return this.#any(sentMs, receivedMs, ({ unanswered }) => unanswered === pod);
  }

  /** The faults around a call, for a report. */
  around(sentMs: number, receivedMs: number): string[] {
    return this.#all
      .filter(({ fromMs, toMs }) => fromMs < receivedMs && toMs + 60_000 > sentMs)
      .map(
        ({ name, fromMs, toMs }) =>
          `${name} from ${sentMs - fromMs} ms before${Number.isFinite(toMs) ? ` to ${sentMs - toMs} ms before` : ''}`,
      );
  }

  /** Resolves the names of all faults so far, with their counts. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { name } of this.#all) counts[name] = (counts[name] ?? 0) + 1;
    return counts;
  }

  #any(sentMs: number, receivedMs: number, has: (one: Disturbance) => boolean): boolean {
    return this.#all.some(
      (one) => has(one) && one.fromMs <= receivedMs && one.toMs + one.recoveryMs >= sentMs,
    );
  }
}
