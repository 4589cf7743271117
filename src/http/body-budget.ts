/** Bytes of each body that cost nothing, so that usual calls do not depend on the budget. */
export const FREE_BODY_BYTES = 8_192;

/** Share of the budget that one client can use. */
const CLIENT_SHARE = 0.5;

/** Bounds the memory of bodies in flight, over all connections of a process. */
export class BodyBudget {
  readonly #maxBytes: number;
  readonly #byClient = new Map<string, number>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that leases use at the moment. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param client its network, see `clientNetwork` */
  lease(client: string): BodyLease {
    return new BodyLease((bytes) => this.#take(client, bytes));
  }

  /** @param bytes negative to return them */
  #take(client: string, bytes: number): boolean {
    const ofClient = (this.#byClient.get(client) ?? 0) + bytes;
    const exceeds = this.#bytes + bytes > this.#maxBytes || ofClient > this.#maxBytes * CLIENT_SHARE;
    if (bytes > 0 && exceeds) return false;
    this.#bytes += bytes;
    if (ofClient === 0) this.#byClient.delete(client);
    else this.#byClient.set(client, ofClient);
    return true;
  }
}

/** The part of the budget that one body uses. */
export class BodyLease {
  readonly #take: (bytes: number) => boolean;
  #bytes = 0;

  constructor(take: (bytes: number) => boolean) {
    this.#take = take;
  }

  /** @param capacity of the buffer @returns whether the budget allows it; if not, the lease stays as it is */
  resize(capacity: number): boolean {
    const bytes = Math.max(0, capacity - FREE_BODY_BYTES);
    if (bytes !== this.#bytes && !this.#take(bytes - this.#bytes)) return false;
    this.#bytes = bytes;
    return true;
  }

  /** Returns all bytes. */
  close(): void {
    this.resize(0);
  }
}
