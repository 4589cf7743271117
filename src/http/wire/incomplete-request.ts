import { GrowingBuffer } from '../../lib/growing-buffer.ts';
import type { BodyLease } from '../body-budget.ts';
import { END_OF_HEAD, MAX_HEAD_BYTES } from './plain-request.ts';

/** The start of a request that arrives in several pieces. */
export class IncompleteRequest {
  readonly #neededBytes: number | undefined;
  readonly #lease: BodyLease | undefined;
  readonly #buffer: GrowingBuffer;
  /** Where the end of the head may start. */
  #searchedTo = 0;

  /** @param neededBytes length of the request, if its head is complete @param lease of a complete head */
  constructor(neededBytes?: number, lease?: BodyLease) {
    this.#neededBytes = neededBytes;
    this.#lease = lease;
    this.#buffer = new GrowingBuffer((capacity) => lease?.resize(capacity) ?? true, neededBytes);
  }

  get bytes(): Buffer {
    return this.#buffer.bytes;
  }

  /** Whether another attempt to read the request can succeed. */
  get isReadable(): boolean {
    const { bytes } = this;
    if (this.#neededBytes !== undefined) return bytes.length >= this.#neededBytes;
    const found = bytes.includes(END_OF_HEAD, this.#searchedTo, 'latin1');
    this.#searchedTo = Math.max(0, bytes.length - END_OF_HEAD.length + 1);
    return found || bytes.length > MAX_HEAD_BYTES;
  }

  /** @returns false if the budget for bodies does not allow it; then the bytes are not added */
  append(bytes: Buffer): boolean {
    return this.#buffer.append(bytes);
  }

  /** Returns the bytes to the budget. */
  close(): void {
    this.#lease?.close();
  }
}
