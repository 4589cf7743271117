import type { Socket } from 'node:net';
import type { Refusal } from '../error-rendering.ts';
import { type PlainRequest, type PlainRequestReader, UNUSUAL } from './plain-request.ts';
import type { ResponseHead } from './response-head.ts';

/** The body of a 200, one byte a character, or a refusal. */
export type Reply = string | Refusal;

/** What a connection is served with. */
export interface PlainService {
  reader: PlainRequestReader;
  head: ResponseHead;
  /** For how many ticks a connection may be idle. */
  idleTicks: number;
  /** Never throws, never rejects. @param certificate whether the client showed a certificate that verified */
  answer(request: PlainRequest, certificate: boolean): Reply | Promise<Reply>;
}

/**
 * Serves plain requests straight from a socket, one after the other. The first thing that is no plain request, and
 * all that follows, is handed over to a whole HTTP server; so is a request that takes its time to come in.
 */
export class PlainConnection {
  readonly #socket: Socket;
  readonly #service: PlainService;
  readonly #certificate: boolean;
  readonly #handOver: () => void;
  /** The beginning of a request. */
  #buffered: Buffer | undefined;
  /** How much has to be there before reading it again makes sense. */
  #neededBytes = 0;
  /** An answer is being made, or the client has to take in earlier ones first. */
  #busy = false;
  #clientEnded = false;
  #closing = false;
  /** Ticks since something came in. */
  #idleTicks = 0;
  /** Whether a request was incomplete at the last `tick` already. */
  #slow = false;

  /** @param handOver gives the socket, with what it still holds, to somebody else */
  constructor(socket: Socket, service: PlainService, handOver: () => void) {
    this.#socket = socket;
    this.#service = service;
    this.#certificate = (socket as { authorized?: boolean }).authorized === true;
    this.#handOver = handOver;
    this.#listen('on');
  }

  /** Closes when the request under way, if any, is answered. */
  close(): void {
    this.#closing = true;
    if (!this.#busy) this.#socket.destroySoon();
  }

  /**
   * To be called from time to time, instead of a timer that every read and every write would move. Ends a connection
   * that is idle, or whose client does not take in its answers, for too long. A request that is incomplete at two ticks
   * is no business of ours.
   */
  tick(): void {
    this.#idleTicks += 1;
    if (this.#idleTicks > this.#service.idleTicks) {
      this.#socket.destroy();
      return;
    }
    const incomplete = !this.#busy && this.#buffered !== undefined;
    if (incomplete && this.#slow) this.#leave(this.#buffered as Buffer);
    this.#slow = incomplete;
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#idleTicks = 0;
    if (this.#busy) {
      this.#putBack(chunk);
      return;
    }
    const bytes = this.#buffered === undefined ? chunk : Buffer.concat([this.#buffered, chunk]);
    if (bytes.length >= this.#neededBytes) this.#advance(bytes);
    else this.#buffered = bytes;
  };

  readonly #onEnd = (): void => {
    this.#clientEnded = true;
    if (!this.#busy) this.#socket.destroySoon();
  };

  /** The socket destroys itself after an error. */
  readonly #onError = (): void => {};

  #listen(how: 'on' | 'off'): void {
    this.#socket[how]('data', this.#onData);
    this.#socket[how]('end', this.#onEnd);
    this.#socket[how]('error', this.#onError);
  }

  /** Answers what can be answered of these bytes, and keeps the rest. */
  #advance(bytes: Buffer): void {
    this.#buffered = undefined;
    this.#neededBytes = 0;
    const text = bytes.toString('latin1');
    for (let at = 0; at < text.length; ) {
      const request = this.#service.reader.read(text, at);
      if (request === UNUSUAL) {
        this.#leave(bytes.subarray(at));
        return;
      }
      if (!('headers' in request)) {
        this.#buffered = bytes.subarray(at);
        this.#neededBytes = (request.end ?? 0) - at;
        return;
      }
      at = request.end;
      if (!this.#answer(request)) {
        if (at < bytes.length) this.#putBack(bytes.subarray(at));
        return;
      }
    }
  }

  /** For `#goOn`. What waits in the socket also keeps the end that a client may have sent behind it from being seen. */
  #putBack(bytes: Buffer): void {
    this.#socket.pause();
    this.#socket.unshift(bytes);
  }

  /** Whether the next request may be taken at once. */
  #answer(request: PlainRequest): boolean {
    const reply = this.#service.answer(request, this.#certificate);
    if (!(reply instanceof Promise)) return this.#send(reply);
    this.#busy = true;
    void reply.then(this.#sendLate);
    return false;
  }

  readonly #sendLate = (reply: Reply): void => {
    this.#busy = false;
    if (this.#send(reply)) this.#goOn();
  };

  #send(reply: Reply): boolean {
    const { head } = this.#service;
    const last = this.#closing || this.#clientEnded;
    const flows = this.#socket.write(
      typeof reply === 'string'
        ? head.granted(reply.length, last) + reply
        : head.refused(reply, Buffer.byteLength(reply.body), last) + utf8(reply.body),
      'latin1',
    );
    if (last) {
      this.#socket.destroySoon();
      return false;
    }
    if (!flows) {
      this.#busy = true;
      this.#socket.once('drain', this.#goOn);
    }
    return flows;
  }

  readonly #goOn = (): void => {
    this.#busy = false;
    if (this.#clientEnded || this.#closing) this.#socket.destroySoon();
    else this.#socket.resume();
  };

  #leave(rest: Buffer): void {
    this.#listen('off');
    this.#socket.unshift(rest);
    this.#handOver();
  }
}

/** UTF-8, one byte a character. */
function utf8(text: string): string {
  return Buffer.from(text).toString('latin1');
}
