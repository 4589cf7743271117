/** Bounds of concurrent work. */
export interface SlotLimits {
  slots: number;
  /** Maximum number of waiting callers, and how long each waits. */
  waiting: number;
  waitMs: number;
  /** The error for a caller beyond these bounds. */
  refusal: () => Error;
}

/** Runs a bounded number of tasks at once. Others wait in order, for a bounded time. */
export class Slots {
  readonly #limits: SlotLimits;
  readonly #waiting = new Set<PromiseWithResolvers<void>>();
  #running = 0;

  constructor(limits: SlotLimits) {
    this.#limits = limits;
  }

  /** @throws the refusal if too many callers wait, or this one waits too long */
  async run<Result>(task: () => Promise<Result>): Promise<Result> {
    if (this.#running < this.#limits.slots) this.#running += 1;
    else await this.#enqueue();
    try {
      return await task();
    } finally {
      this.#dequeue();
    }
  }

  async #enqueue(): Promise<void> {
    const { waiting, waitMs, refusal } = this.#limits;
    if (this.#waiting.size >= waiting) throw refusal();
    const turn = Promise.withResolvers<void>();
    this.#waiting.add(turn);
    const timer = setTimeout(() => {
      this.#waiting.delete(turn);
      turn.reject(refusal());
    }, waitMs);
    try {
      await turn.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Starts the oldest waiting task in the freed slot, or frees the slot. */
  #dequeue(): void {
    const next = this.#waiting.values().next().value;
    if (next === undefined) {
      this.#running -= 1;
      return;
    }
    this.#waiting.delete(next);
    next.resolve();
  }
}
