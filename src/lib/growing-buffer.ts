const INITIAL_BYTES = 1_024;

/**
 * Collects bytes in one buffer that doubles its size, so that many small pieces cost as much time and memory as a few large
 * ones.
 */
export class GrowingBuffer {
  readonly #mayGrow: (capacity: number) => boolean;
  #buffer: Buffer = Buffer.alloc(0);
  #length = 0;

  /** Expected size. A longer text still fits. */
  readonly maxLength: number;

  /** @param mayGrow called with the new size in bytes, before the buffer grows @param maxLength expected size */
  constructor(mayGrow: (capacity: number) => boolean, maxLength = Number.POSITIVE_INFINITY) {
    this.#mayGrow = mayGrow;
    this.maxLength = maxLength;
  }

  get length(): number {
    return this.#length;
  }

  /** The collected bytes, not a copy. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Copies the bytes. @returns false if the buffer would have to grow and may not; then it stays as it is */
  append(bytes: Buffer): boolean {
    const length = this.#length + bytes.length;
    if (length > this.#buffer.length && !this.#grow(length)) return false;
    bytes.copy(this.#buffer, this.#length);
    this.#length = length;
    return true;
  }

  #grow(length: number): boolean {
    let capacity = Math.max(this.#buffer.length, INITIAL_BYTES);
    while (capacity < length) capacity *= 2;
    capacity = Math.max(length, Math.min(capacity, this.maxLength));
    if (!this.#mayGrow(capacity)) return false;
    // Not from the pool of Node.js, because a small buffer would keep a whole slab of it alive.
    const grown = Buffer.allocUnsafeSlow(capacity);
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
    return true;
  }
}
