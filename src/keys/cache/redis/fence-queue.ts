const MAX_CONCURRENT_WRITES = 64;
const MAX_QUEUED = 10_000;

/**
 * Limits the concurrent fence writes, so that a flood of changes (a start after a long stop, a mass revocation) does
 * not delay the lookups on the same connection. A full queue sheds its oldest entry. That is safe: each pod detects a
 * superseded record by its own recent changes, and the fence only saves that check.
 */
export class FenceQueue {
  readonly #write: (id: string, version: number) => Promise<unknown>;
  readonly #queued = new Map<string, number>();
  /** Kept between calls: a new iterator would step over the deleted entries at the front each time. */
  #oldest = this.#queued.entries();
  #writers = 0;

  /** @param write must not reject */
  constructor(write: (id: string, version: number) => Promise<unknown>) {
    this.#write = write;
  }

  enqueue(id: string, version: number): void {
    const queued = this.#queued.get(id) ?? version;
    this.#queued.delete(id);
    this.#queued.set(id, Math.max(queued, version));
    if (this.#queued.size > MAX_QUEUED) this.#dequeue();
    while (this.#writers < MAX_CONCURRENT_WRITES && this.#queued.size > 0) void this.#writeUntilEmpty();
  }

  async #writeUntilEmpty(): Promise<void> {
    this.#writers += 1;
    for (let next = this.#dequeue(); next !== undefined; next = this.#dequeue()) await this.#write(...next);
    this.#writers -= 1;
  }

  #dequeue(): [id: string, version: number] | undefined {
    let next = this.#oldest.next();
    if (next.done === true) {
      this.#oldest = this.#queued.entries();
      next = this.#oldest.next();
    }
    if (next.done === true) return undefined;
    this.#queued.delete(next.value[0]);
    return next.value;
  }
}
