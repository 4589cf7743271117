import { TracelessError } from '../lib/traceless-error.ts';

/** The definitions that a request needs cannot fit into a response, or the request has failed for another reason. */
export class RolesTooLargeError extends TracelessError {
  override name = 'RolesTooLargeError';
  readonly budget: RoleBudget;

  constructor(budget: RoleBudget) {
    super('the role definitions of a request are too large');
    this.budget = budget;
  }
}

/**
 * Bounds the definitions that one request reads. Sizes are known before the definitions are read, so a request beyond the bound
 * costs little.
 */
export class RoleBudget {
  readonly #maxBytes: number;
  readonly #sizes = new Map<string, number>();
  #bytes = 0;
  #closed = false;

  /** @param maxBytes of all definitions, as Postgres writes them */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether further reads for the request are of no use. */
  get isSpent(): boolean {
    return this.#closed || this.#bytes > this.#maxBytes;
  }

  /** The request has failed. */
  close(): void {
    this.#closed = true;
  }

  /** Notes the size of a scope. A repeated read of the scope replaces it. */
  note(scopeId: string, bytes: number): void {
    this.#bytes += bytes - (this.#sizes.get(scopeId) ?? 0);
    this.#sizes.set(scopeId, bytes);
  }
}
