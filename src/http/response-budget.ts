import { IamError } from '../errors.ts';
import { OwnerShares } from '../lib/owner-shares.ts';

/** Bodies up to this length cost nothing, so that usual calls do not depend on the budget. Longer ones are long. */
export const FREE_RESPONSE_BYTES = 16_384;

/** Long bodies are written in slices of this size. */
export const SLICE_BYTES = 262_144;

/**
 * A client has this long to read a response, so that slow clients do not hold the budget. On node:http that includes the time that it
 * needs for earlier, pipelined ones.
 */
export const RESPONSE_READ_MS = 30_000;

/** A body of more than `FREE_RESPONSE_BYTES`, one byte per character. */
export interface LongBody {
  text: string;
  /** To be called when the body is sent or its connection is closed. More calls have no effect. */
  release: () => void;
}

export type ResponseBody = string | LongBody;

/** An organization has asked for a long body if it did so within this time. */
const ASKED_MS = RESPONSE_READ_MS;

interface Asker {
  organization: string;
  askedAtMs: number;
}

export interface ResponseBudgetOptions {
  maxBytes: number;
  /** Monotonic, in milliseconds. */
  now?: () => number;
  /** Called for each refusal. */
  onRefused?: () => void;
}

/**
 * Bounds the bytes of all long bodies that are built or that clients have not read yet. While others ask for long bodies, an
 * organization uses at most as much as it leaves free. A body that is longer than half of the budget needs an unused budget.
 */
export class ResponseBudget {
  readonly #shares: OwnerShares;
  readonly #now: () => number;
  readonly #onRefused: () => void;
  /** The last two organizations that asked. They tell whether another one than any given organization has asked. */
  #lastAsker: Asker | undefined;
  #askerBefore: Asker | undefined;

  constructor({ maxBytes, now = () => performance.now(), onRefused = () => {} }: ResponseBudgetOptions) {
    this.#shares = new OwnerShares(maxBytes);
    this.#now = now;
    this.#onRefused = onRefused;
  }

  /** Bytes of long bodies that are built or unread at the moment. */
  get bytes(): number {
    return this.#shares.used;
  }

  /** Whether a body of this length may be built or sent now. @param organization that of the key */
  fits(bytes: number, organization: string): boolean {
    if (bytes <= FREE_RESPONSE_BYTES) return true;
    this.#noteAsker(organization);
    if (!this.#shares.isFree(bytes)) return false;
    return this.bytes === 0 || this.#shares.isFair(organization, bytes) || !this.#othersAsk(organization);
  }

  /** Counts a long body until its release. @throws {IamError} 503 */
  admit(text: string, organization: string): ResponseBody {
    return this.tryAdmit(text, organization) ?? this.#refuse();
  }

  /** @returns `undefined` if the body does not fit */
  tryAdmit(text: string, organization: string): ResponseBody | undefined {
    if (text.length <= FREE_RESPONSE_BYTES) return text;
    const release = this.tryReserve(text.length, organization);
    return release && { text, release };
  }

  /**
   * Counts bytes until the returned function is called for the first time.
   * @throws {IamError} 503
   */
  reserve(bytes: number, organization: string): () => void {
    return this.tryReserve(bytes, organization) ?? this.#refuse();
  }

  /** As `reserve`, with `undefined` if the bytes do not fit. */
  tryReserve(bytes: number, organization: string): (() => void) | undefined {
    if (bytes <= FREE_RESPONSE_BYTES) return () => {};
    if (!this.fits(bytes, organization)) return undefined;
    this.#shares.add(organization, bytes);
    let reserved = bytes;
    return () => {
      if (reserved > 0) this.#shares.add(organization, -reserved);
      reserved = 0;
    };
  }

  #refuse(): never {
    this.#onRefused();
    throw new IamError('RESPONSE_BUDGET');
  }

  #othersAsk(organization: string): boolean {
    const other = this.#lastAsker?.organization === organization ? this.#askerBefore : this.#lastAsker;
    return other !== undefined && this.#now() - other.askedAtMs < ASKED_MS;
  }

  #noteAsker(organization: string): void {
    if (this.#lastAsker?.organization !== organization) this.#askerBefore = this.#lastAsker;
    this.#lastAsker = { organization, askedAtMs: this.#now() };
  }
}
