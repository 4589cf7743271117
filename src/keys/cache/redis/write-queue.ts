const MAX_CONCURRENT_WRITES = 64;
const MAX_QUEUED = 10_000;
const RETRY_DELAY_MS = 500;
const DRAIN_CHECK_MS = 10;

export interface WriteQueueOptions<Value> {
  /** Resolves to whether the value needs no further attempt; must not reject. */
  write: (name: string, value: Value) => Promise<boolean>;
  /** The one to write of two values with the same name, in either order. */
  merge: (one: Value, other: Value) => Value;
  /** Limits the total weight of the queued values. */
  weight?: { max: number; of: (value: Value) => number };
  /** Called for each value that is dropped unwritten. */
  onShed?: () => void;
}

/**
 * Writes to Redis in the background. It limits the concurrent writes, so that a flood (a start after a long stop, a mass
 * revocation, a burst of new keys) does not delay the lookups on the same connection. A value that Redis does not take
 * stays queued. A full queue sheds its oldest value.
 */
export class WriteQueue<Value> {
  readonly #options: WriteQueueOptions<Value>;
  readonly #queued = new Map<string, Value>();
  /** Kept between calls: a new iterator would step over the deleted entries at the front each time. */
  #oldest = this.#queued.entries();
  #weight = 0;
  #writers = 0;
  #closed = false;

  constructor(options: WriteQueueOptions<Value>) {
    this.#options = options;
  }

  /** Number of values that wait for a write. */
  get size(): number {
    return this.#queued.size;
  }

  enqueue(name: string, value: Value): void {
    this.#add(name, value);
    while (this.#writers < MAX_CONCURRENT_WRITES && this.#queued.size > 0) void this.#writeUntilEmpty();
  }

  /** Resolves when every value is written, at the latest after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    const endsAtMs = performance.now() + timeoutMs;
    while (this.#writers > 0 && performance.now() < endsAtMs) await sleep(DRAIN_CHECK_MS);
  }

  close(): void {
    this.#closed = true;
    this.#queued.clear();
  }

  #add(name: string, value: Value): void {
    if (this.#closed) return;
    const queued = this.#remove(name);
    const next = queued === undefined ? value : this.#options.merge(queued, value);
    this.#queued.set(name, next);
    this.#weight += this.#weightOf(next);
    while (this.#isFull) {
      this.#dequeue();
      this.#options.onShed?.();
    }
  }

  async #writeUntilEmpty(): Promise<void> {
    this.#writers += 1;
    for (let next = this.#dequeue(); next !== undefined; next = this.#dequeue()) {
      const [name, value] = next;
      if (await this.#options.write(name, value)) continue;
      this.#add(name, value);
      // Only this writer waits: other nodes of a cluster may take the values of the other writers.
      await sleep(RETRY_DELAY_MS);
    }
    this.#writers -= 1;
  }

  get #isFull(): boolean {
    const { weight } = this.#options;
    return this.#queued.size > MAX_QUEUED || (weight !== undefined && this.#weight > weight.max);
  }

  #weightOf(value: Value): number {
    return this.#options.weight?.of(value) ?? 0;
  }

  #dequeue(): [name: string, value: Value] | undefined {
    let next = this.#oldest.next();
    if (next.done === true) {
      this.#oldest = this.#queued.entries();
      next = this.#oldest.next();
    }
    if (next.done === true) return undefined;
    this.#remove(next.value[0]);
    return next.value;
  }

  #remove(name: string): Value | undefined {
    const value = this.#queued.get(name);
    if (value === undefined) return undefined;
    this.#queued.delete(name);
    this.#weight -= this.#weightOf(value);
    return value;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
