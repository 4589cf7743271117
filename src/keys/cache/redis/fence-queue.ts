const MAX_CONCURRENT_WRITES = 64;
const MAX_QUEUED = 10_000;
const RETRY_DELAY_MS = 500;

/**
 * Limits the concurrent fence writes, so that a flood of changes (a start after a long stop, a mass revocation) does
 * not delay the lookups on the same connection. A fence that Redis does not take stays queued. A full queue sheds its
 * oldest entry; the owner then raises one fence for all that were shed.
 */
export class FenceQueue {
  readonly #write: (name: string, value: number) => Promise<boolean>;
  readonly #onShed: () => void;
  readonly #queued = new Map<string, number>();
  /** Kept between calls: a new iterator would step over the deleted entries at the front each time. */
  #oldest = this.#queued.entries();
  #writers = 0;
  #pause: NodeJS.Timeout | undefined;
  #closed = false;

  /**
   * @param write resolves to whether the fence is in Redis; must not reject
   * @param onShed called for each entry that is dropped unwritten
   */
  constructor(write: (name: string, value: number) => Promise<boolean>, onShed: () => void = () => {}) {
    this.#write = write;
    this.#onShed = onShed;
  }

  enqueue(name: string, value: number): void {
    if (this.#closed) return;
    const queued = this.#queued.get(name) ?? value;
    this.#queued.delete(name);
    this.#queued.set(name, Math.max(queued, value));
    if (this.#queued.size > MAX_QUEUED) {
      this.#dequeue();
      this.#onShed();
    }
    this.#startWriters();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#pause);
    this.#queued.clear();
  }

  #startWriters(): void {
    if (this.#pause !== undefined) return;
    while (this.#writers < MAX_CONCURRENT_WRITES && this.#queued.size > 0) void this.#writeUntilEmpty();
  }

  async #writeUntilEmpty(): Promise<void> {
    this.#writers += 1;
    while (this.#pause === undefined) {
      const next = this.#dequeue();
      if (next === undefined) break;
      if (!(await this.#write(...next))) this.#retryLater(...next);
    }
    this.#writers -= 1;
  }

  #retryLater(name: string, value: number): void {
    this.#pause ??= setTimeout(() => {
      this.#pause = undefined;
      this.#startWriters();
    }, RETRY_DELAY_MS).unref();
    this.enqueue(name, value);
  }

  #dequeue(): [name: string, value: number] | undefined {
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
