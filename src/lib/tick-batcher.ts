interface Waiting<Item, Result> {
  item: Item;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/**
 * Sends all items that callers add in one turn of the event loop together: one command or statement with its timeout
 * costs about as much for a hundred items as for one.
 */
export class TickBatcher<Item, Result> {
  readonly #maxBatchSize: number;
  readonly #send: (items: Item[]) => Promise<readonly Result[]>;
  #waiting: Waiting<Item, Result>[] = [];

  /** @param send returns one result per item, in the same order; if it rejects, every caller of the batch rejects */
  constructor(maxBatchSize: number, send: (items: Item[]) => Promise<readonly Result[]>) {
    this.#maxBatchSize = maxBatchSize;
    this.#send = send;
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ item, resolve, reject }) === 1) setImmediate(this.#flush);
    });
  }

  readonly #flush = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let start = 0; start < waiting.length; start += this.#maxBatchSize) {
      void this.#sendBatch(waiting.slice(start, start + this.#maxBatchSize));
    }
  };

  async #sendBatch(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#send(batch.map(({ item }) => item));
      batch.forEach(({ resolve }, index) => {
        resolve(results[index] as Result);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
