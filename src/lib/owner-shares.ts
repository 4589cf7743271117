/**
 * Counts what owners use of a shared amount. An owner may use at most as much as it leaves free, so owners together cannot use up
 * everything: of 16 units they get 8, 4, 2, 1.
 */
export class OwnerShares {
  readonly #max: number;
  readonly #byOwner = new Map<string, number>();
  #used = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** What all owners use together. */
  get used(): number {
    return this.#used;
  }

  /** Whether the owner uses anything. */
  has(owner: string): boolean {
    return this.#byOwner.has(owner);
  }

  /** Whether so much is free. */
  isFree(amount: number): boolean {
    return this.#used + amount <= this.#max;
  }

  /** Whether the owner would leave free at least what it would use with this amount. */
  isFair(owner: string, amount: number): boolean {
    return this.#of(owner) + amount <= this.#max - this.#used - amount;
  }

  /** Counts an amount without a check. @param amount negative to return it */
  add(owner: string, amount: number): void {
    this.#used += amount;
    const used = this.#of(owner) + amount;
    if (used === 0) this.#byOwner.delete(owner);
    else this.#byOwner.set(owner, used);
  }

  #of(owner: string): number {
    return this.#byOwner.get(owner) ?? 0;
  }
}
