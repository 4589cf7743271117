type Value = Buffer | null | undefined;

interface Read {
  place: string;
  answer: (value: Value) => void;
}

/**
 * Sends the reads of one turn of the event loop together: a command, its deadline and its answer cost as much for one
 * place as for a hundred.
 */
export class BatchedReads {
  readonly #atATime: number;
  readonly #send: (places: string[]) => Promise<Value[] | undefined>;
  #waiting: Read[] = [];

  /** @param send gives a value for each place, or nothing at all; must not reject */
  constructor(atATime: number, send: (places: string[]) => Promise<Value[] | undefined>) {
    this.#atATime = atATime;
    this.#send = send;
  }

  read(place: string): Promise<Value> {
    return new Promise((answer) => {
      if (this.#waiting.push({ place, answer }) === 1) setImmediate(this.#flush);
    });
  }

  readonly #flush = (): void => {
    const reads = this.#waiting;
    this.#waiting = [];
    for (let at = 0; at < reads.length; at += this.#atATime) {
      void this.#readAll(reads.slice(at, at + this.#atATime));
    }
  };

  async #readAll(reads: Read[]): Promise<void> {
    const values = await this.#send(reads.map(({ place }) => place));
    reads.forEach(({ answer }, index) => {
      answer(values?.[index]);
    });
  }
}
