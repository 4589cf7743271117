import { OwnerShares } from '../lib/owner-shares.ts';

/** Bytes of each body that cost nothing, so that usual calls do not depend on the budget. */
export const FREE_BODY_BYTES = 8_192;

/** Bounds the memory of bodies in flight, over all connections of a process. A client uses at most as much as it leaves free. */
export class BodyBudget {
  readonly #shares: OwnerShares;

  constructor(maxBytes: number) {
    this.#shares = new OwnerShares(maxBytes);
  }

  /** Bytes that leases use at the moment. */
  get bytes(): number {
    return this.#shares.used;
  }

  /** @param client its network, see `clientNetwork` */
  lease(client: string): BodyLease {
    return new BodyLease((bytes) => this.#take(client, bytes));
  }

  /** @param bytes negative to return them */
  #take(client: string, bytes: number): boolean {
    if (bytes > 0 && !this.#shares.isFair(client, bytes)) return false;
    this.#shares.add(client, bytes);
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
