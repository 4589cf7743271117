import { IamError } from '../errors.ts';

/** Bodies up to this length cost nothing, so that usual calls do not depend on the budget. Longer ones are long. */
export const FREE_RESPONSE_BYTES = 16_384;

/** Long bodies are written in slices of this size. */
export const SLICE_BYTES = 262_144;

/** A client has this long to read a response, so that slow clients do not hold the budget. */
export const RESPONSE_READ_MS = 30_000;

/** A body of more than `FREE_RESPONSE_BYTES`, one byte per character. */
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

  /** Bytes of long bodies that are built or unread at the moment. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a body of this length may be built or sent now. */
  fits(bytes: number): boolean {
    return bytes <= FREE_RESPONSE_BYTES || this.#bytes + bytes <= this.#maxBytes;
  }

  /** Counts a long body until its release. @throws {IamError} 503 */
  admit(text: string): ResponseBody {
    return text.length <= FREE_RESPONSE_BYTES ? text : { text, release: this.reserve(text.length) };
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
