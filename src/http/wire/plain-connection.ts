import type { Socket } from 'node:net';
import type { BodyBudget } from '../body-budget.ts';
import type { ClientAddresses, Peer } from '../client-addresses.ts';
import type { ClientCertificates } from '../client-certificates.ts';
import type { ConnectionAges } from '../connection-ages.ts';
import type { Refusal } from '../error-rendering.ts';
import { type LongBody, RESPONSE_READ_MS, type ResponseBody } from '../response-budget.ts';
import { IncompleteRequest } from './incomplete-request.ts';
import {
  PARTIAL_HEAD,
  type PartialBody,
  type PlainHeaders,
  type PlainRequest,
  type PlainRequestReader,
  UNUSUAL,
} from './plain-request.ts';
import type { ResponseHead } from './response-head.ts';
import { writeInSlices } from './sliced-write.ts';

/** The body of a 200, with one byte per character, or a refusal. */
export type PlainResponse = ResponseBody | Refusal;

export const TICK_MS = 1_000;

/** What all plain connections share. */
export interface PlainService {
  reader: PlainRequestReader;
  head: ResponseHead;
  /** Number of ticks after which an idle connection is closed. */
  idleTicks: number;
  /** Number of ticks after which a connection is closed that has not sent a request head yet. */
  headTicks: number;
  addresses: ClientAddresses;
  certificates: ClientCertificates;
  ages: ConnectionAges;
  bodies: BodyBudget;
  /** Whether a request with this head can succeed. If not, its body is not buffered. */
  admits(headers: PlainHeaders, connection: ClientConnection): boolean;
  /** Never throws, never rejects. */
  respond(request: PlainRequest, connection: ClientConnection): PlainResponse | Promise<PlainResponse>;
}

/** What is known about the client of a connection. */
export interface ClientConnection {
  /** Whether the client presented a certificate that counts as client authentication. */
  certificate: boolean;
  peer: Peer;
  /** Whether the client has closed the connection, or its side of it. */
  isGone: () => boolean;
}

/**
 * Serves plain requests directly from a socket, one after the other. At the first input that is not a plain request, or
 * that arrives too slowly, it hands the connection over to node:http permanently.
 */
export class PlainConnection {
  readonly #socket: Socket;
  readonly #service: PlainService;
  readonly #client: ClientConnection;
  readonly #handOver: () => void;
  #incomplete: IncompleteRequest | undefined;
  /** Arrived in pieces; its response is pending. */
  #served: IncompleteRequest | undefined;
  /** A response is pending, or the client has not yet read earlier ones. */
  #busy = false;
  #clientEnded = false;
  #closing = false;
  /** The connection ends with the next response. */
  #isOld = false;
  /** Ticks since the start of a response that the client has not read yet; `undefined` if there is none. */
  #unreadTicks: number | undefined;
  /** Ticks since the last received data. */
  #idleTicks = 0;
  /** Whether the connection has sent a complete request head. */
  #hasHead = false;
  /** Whether the request was already incomplete at the last `tick`. */
  #slow = false;

  /** @param handOver passes the socket, with its unread data, to node:http */
  constructor(socket: Socket, service: PlainService, handOver: () => void) {
    this.#socket = socket;
    this.#service = service;
    this.#client = {
      certificate: service.certificates.accepts(socket),
      peer: service.addresses.peerOf(socket),
      isGone: () => this.#clientEnded || socket.destroyed,
    };
    this.#handOver = handOver;
    this.#listen('on');
  }

  /** Closes the connection after the response to the current request, if any. */
  close(): void {
    this.#closing = true;
    if (!this.#busy) this.#socket.destroySoon();
  }

  /**
   * Ends a connection that is idle for too long, that sends no request head in time, or whose client does not read its responses.
   * Notes that it is too old. Hands over a request that is incomplete at two ticks in a row. One shared timer calls this, because
   * a timer per connection would need a reset at every read and write.
   */
  tick(): void {
    this.#idleTicks += 1;
    this.#isOld ||= this.#service.ages.isOver(this.#socket);
    if (this.#unreadTicks !== undefined) this.#unreadTicks += 1;
    if ((this.#unreadTicks ?? 0) > RESPONSE_READ_MS / TICK_MS) {
      this.#socket.destroy();
      return;
    }
    // After a delay of the event loop, a request may have arrived that was not read yet.
    if (this.#isIdle) setImmediate(() => this.#isIdle && this.#socket.destroy());
    const incomplete = this.#busy ? undefined : this.#incomplete;
    if (incomplete !== undefined && this.#slow) this.#leaveLane(incomplete.bytes);
    this.#slow = incomplete !== undefined;
  }

  get #isIdle(): boolean {
    return this.#idleTicks > (this.#hasHead ? this.#service.idleTicks : this.#service.headTicks);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#idleTicks = 0;
    if (this.#busy) {
      this.#unread(chunk);
      return;
    }
    const incomplete = this.#incomplete;
    if (incomplete === undefined) this.#serve(chunk);
    else if (!incomplete.append(chunk)) this.#leaveLane(Buffer.concat([incomplete.bytes, chunk]));
    else if (incomplete.isReadable) this.#serveComplete(incomplete);
  };

  readonly #onClose = (): void => {
    this.#incomplete?.close();
    this.#served?.close();
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
    this.#socket[how]('close', this.#onClose);
  }

  /** Serves a request that arrived in pieces. Its body stays in the budget until its response is sent. */
  #serveComplete(request: IncompleteRequest): void {
    this.#incomplete = undefined;
    this.#serve(request.bytes);
    if (this.#busy) this.#served = request;
    else request.close();
  }

  /** Serves the complete requests in these bytes, and keeps the rest. */
  #serve(bytes: Buffer): void {
    const text = bytes.toString('latin1');
    for (let at = 0; at < text.length; ) {
      const request = this.#service.reader.read(text, at);
      if (request === PARTIAL_HEAD || (request !== UNUSUAL && !('rawQuery' in request))) {
        this.#keep(bytes.subarray(at), request === PARTIAL_HEAD ? undefined : request);
        return;
      }
      if (request === UNUSUAL) {
        this.#leaveLane(bytes.subarray(at));
        return;
      }
      this.#hasHead = true;
      at = request.end;
      if (!this.#respond(request)) {
        if (at < bytes.length) this.#unread(bytes.subarray(at));
        return;
      }
    }
  }

  /** Keeps the start of a request. @param body of a complete head */
  #keep(start: Buffer, body: PartialBody | undefined): void {
    const { bodies, addresses } = this.#service;
    const incomplete =
      body === undefined
        ? new IncompleteRequest()
        : new IncompleteRequest(
            body.bytes,
            bodies.lease(addresses.networkOf(this.#client.peer, body.headers['x-forwarded-for'])),
          );
    const admitted = body === undefined || this.#service.admits(body.headers, this.#client);
    if (admitted && incomplete.append(start)) this.#incomplete = incomplete;
    else this.#leaveLane(start);
  }

  /** Returns bytes to the socket until `#resume`. Unread bytes also keep a following end of the stream unseen. */
  #unread(bytes: Buffer): void {
    this.#socket.pause();
    this.#socket.unshift(bytes);
  }

  /** @returns whether the next request can be served at once */
  #respond(request: PlainRequest): boolean {
    const response = this.#service.respond(request, this.#client);
    if (!(response instanceof Promise)) return this.#send(response);
    this.#busy = true;
    void response.then(this.#sendLate);
    return false;
  }

  readonly #sendLate = (response: PlainResponse): void => {
    this.#busy = false;
    this.#served?.close();
    if (this.#send(response)) this.#resume();
  };

  #send(response: PlainResponse): boolean {
    const { head } = this.#service;
    if (typeof response !== 'string' && 'release' in response) return this.#sendLong(response);
    const last = this.#closing || this.#clientEnded || this.#isOld;
    const writable = this.#socket.write(
      typeof response === 'string'
        ? head.granted(response.length, last) + response
        : head.refused(response, Buffer.byteLength(response.body), last) + utf8(response.body),
      'latin1',
    );
    if (last || !writable) this.#unreadTicks = 0;
    if (last) {
      this.#socket.destroySoon();
      return false;
    }
    if (!writable) {
      this.#busy = true;
      this.#socket.once('drain', this.#resume);
    }
    return writable;
  }

  #sendLong({ text, release }: LongBody): boolean {
    this.#busy = true;
    this.#unreadTicks = 0;
    const last = this.#closing || this.#clientEnded || this.#isOld;
    writeInSlices(this.#socket, this.#service.head.granted(text.length, last), text, () => {
      release();
      if (last) this.#socket.destroySoon();
      else this.#resume();
    });
    return false;
  }

  readonly #resume = (): void => {
    this.#busy = false;
    this.#unreadTicks = undefined;
    this.#served?.close();
    if (this.#clientEnded || this.#closing) this.#socket.destroySoon();
    else this.#socket.resume();
  };

  #leaveLane(rest: Buffer): void {
    this.#listen('off');
    this.#incomplete?.close();
    this.#socket.unshift(rest);
    this.#handOver();
  }
}

/** UTF-8 with one byte per character. */
function utf8(text: string): string {
  return Buffer.from(text).toString('latin1');
}
