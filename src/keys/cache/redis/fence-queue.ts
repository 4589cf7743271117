/** Written at a time, and remembered at most. */
const CONCURRENCY = 64;
const MAX_WAITING = 10_000;

/**
 * Writes tombstones a few at a time, so that a flood of changes (a start after a long stop, a mass revocation) does
 * not hold up the lookups on the same connection. When it cannot keep up the oldest are left out: pods recognise an
 * stale record by what they know of changes, the tombstone only spares them the look.
 */
export class FenceQueue {
  readonly #write: (id: string, version: number) => Promise<unknown>;
  readonly #waiting = new Map<string, number>();
  /** Stays at the front, since all it has passed is gone: a new iterator would step over the gaps each time. */
  #oldest = this.#waiting.entries();
  #writing = 0;

  /** @param write must not reject */
  constructor(write: (id: string, version: number) => Promise<unknown>) {
    this.#write = write;
  }

  add(id: string, version: number): void {
    const waiting = this.#waiting.get(id) ?? version;
    this.#waiting.delete(id);
    this.#waiting.set(id, Math.max(waiting, version));
    if (this.#waiting.size > MAX_WAITING) this.#take();
    while (this.#writing < CONCURRENCY && this.#waiting.size > 0) void this.#writeUntilEmpty();
  }

  async #writeUntilEmpty(): Promise<void> {
    this.#writing += 1;
    for (let next = this.#take(); next !== undefined; next = this.#take()) await this.#write(...next);
    this.#writing -= 1;
  }

  #take(): [id: string, version: number] | undefined {
    let next = this.#oldest.next();
    if (next.done === true) {
      this.#oldest = this.#waiting.entries();
      next = this.#oldest.next();
    }
    if (next.done === true) return undefined;
    this.#waiting.delete(next.value[0]);
    return next.value;
  }
}
