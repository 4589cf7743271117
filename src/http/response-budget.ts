import { IamError } from '../errors.ts';

/** Longer bodies are long: they are written in slices of this size, and count against the budget. */
export const SLICE_BYTES = 262_144;

/** A client has this long to read a long body, so that slow clients do not hold the budget. */
export const LONG_BODY_MS = 30_000;

/** A body of more than `SLICE_BYTES`, one byte per character. */
export interface LongBody {
  text: string;
  /** To be called when the body is sent or its connection is closed. More calls have no effect. */
  release: () => void;
}

export type ResponseBody = string | LongBody;

/** Bounds the bytes of all long bodies that are built or that clients have not read yet. */
export class ResponseBudget {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether a body of this length may be built or sent now. */
  fits(bytes: number): boolean {
    return bytes <= SLICE_BYTES || this.#bytes + bytes <= this.#maxBytes;
  }

  /** Counts a long body until its release. @throws {IamError} 503 */
  admit(text: string): ResponseBody {
    return text.length <= SLICE_BYTES ? text : { text, release: this.reserve(text.length) };
  }

  /**
   * Counts bytes until the returned function is called for the first time.
   * @throws {IamError} 503
   */
  reserve(bytes: number): () => void {
    if (!this.fits(bytes)) throw new IamError('RESPONSE_BUDGET');
    this.#bytes += bytes;
    let reserved = bytes;
    return () => {
      this.#bytes -= reserved;
      reserved = 0;
    };
  }
}
