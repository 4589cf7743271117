import { FairQueue } from './fair-queue.ts';
import { OwnerShares } from './owner-shares.ts';

/** Bounds of concurrent work. */
export interface SlotLimits {
  slots: number;
  /** Maximum number of waiting callers, and how long each waits. */
  waiting: number;
  waitMs: number;
  /** The error for a caller beyond these bounds. */
  refusal: () => Error;
}

type Turn = PromiseWithResolvers<void>;

/** The owner of tasks that have none: they may use all slots. */
const NO_OWNER = '';

/**
 * Runs a bounded number of tasks at once. Others wait for a bounded time. Owners take turns, and the tasks of each run in order. An
 * owner always gets one of the free slots, and further ones while it leaves as many free as it uses. Beyond the bound of waiting
 * callers, the newest of the owner with the most is refused.
 */
export class Slots {
  readonly #limits: SlotLimits;
  readonly #running: OwnerShares;
  readonly #waiting = new FairQueue<Turn>();

  constructor(limits: SlotLimits) {
    this.#limits = limits;
    this.#running = new OwnerShares(limits.slots);
  }

  /** @throws the refusal if too many callers wait, or this one waits too long */
  async run<Result>(task: () => Promise<Result>, owner = NO_OWNER): Promise<Result> {
    if (this.#mayRun(owner)) this.#running.add(owner, 1);
    else await this.#enqueue(owner);
    try {
      return await task();
    } finally {
      this.#running.add(owner, -1);
      this.#dequeue();
    }
  }

  #mayRun(owner: string): boolean {
    if (!this.#running.isFree(1)) return false;
    return owner === NO_OWNER || !this.#running.has(owner) || this.#running.isFair(owner, 1);
  }

  async #enqueue(owner: string): Promise<void> {
    const { waiting, waitMs, refusal } = this.#limits;
    const turn: Turn = Promise.withResolvers();
    this.#waiting.push([owner], turn);
    if (this.#waiting.size > waiting) this.#waiting.dropFromLongest()?.reject(refusal());
    const timer = setTimeout(() => {
      this.#waiting.remove([owner], turn);
      turn.reject(refusal());
    }, waitMs);
    try {
      await turn.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Starts the waiting tasks that may run now. */
  #dequeue(): void {
    let started = NO_OWNER;
    const mayStart = (owner: string) => {
      started = owner;
      return this.#mayRun(owner);
    };
    for (let turn = this.#waiting.shift(mayStart); turn; turn = this.#waiting.shift(mayStart)) {
      this.#running.add(started, 1);
      turn.resolve();
    }
  }
}
