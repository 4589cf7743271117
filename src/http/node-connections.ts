import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectionAges } from './connection-ages.ts';
import { endGently } from './gentle-end.ts';
import { RESPONSE_READ_MS } from './response-budget.ts';

/** Unfinished responses of a connection. The connection of a client that pipelines more requests ends after this many. */
export const MAX_UNFINISHED = 16;

const TICK_MS = 1_000;

/** A connection that node:http serves. */
interface NodeConnection {
  latest: { request: IncomingMessage; response: ServerResponse };
  /** Responses that the client has not read yet, in order, and for how many ticks it could read each. */
  unfinished: Map<ServerResponse, number>;
  /** No request after the latest one is served. */
  isEnding: boolean;
}

/**
 * Bounds what a client of node:http can request without reading the responses. Node parses all requests that it has received
 * at once: 64 KiB contain about 150 of them.
 */
export class NodeConnections {
  readonly #connections = new WeakMap<Socket, NodeConnection>();
  /** Those with unfinished responses. */
  readonly #busy = new Map<Socket, NodeConnection>();
  #timer: NodeJS.Timeout | undefined;
  readonly #ages: ConnectionAges;
  #closing = false;

  constructor(ages: ConnectionAges) {
    this.#ages = ages;
  }

  /** To be called with each request. @returns whether it may be served; if not, it needs no response */
  admit(request: IncomingMessage, response: ServerResponse): boolean {
    const { socket } = request;
    const connection = this.of(socket);
    if (connection?.isEnding) {
      stopReading(socket);
      return false;
    }
    this.#add(socket, connection, { request, response });
    return true;
  }

  /** The requests of a connection so far; `undefined` before the first. */
  of(socket: Socket): NodeConnection | undefined {
    return this.#connections.get(socket);
  }

  /**
   * Ends connections whose clients do not read. Each response has a clock of its own, which no other response restarts. It stands still
   * while the client waits for an earlier response that the server has not begun. One timer calls this, because a timer per response
   * would cost each response more.
   */
  tick(): void {
    for (const [socket, { unfinished }] of this.#busy) {
      const [first] = unfinished.keys();
      if (!first?.headersSent) continue;
      for (const [response, ticks] of unfinished) {
        if (response.headersSent) unfinished.set(response, ticks + 1);
        if (ticks >= RESPONSE_READ_MS / TICK_MS) socket.destroy();
      }
    }
  }

  /** Ends each connection with the response to its latest request. `closeIdleConnections` of the server ends the others. */
  close(): void {
    this.#closing = true;
    for (const [socket, connection] of this.#busy) end(socket, connection);
  }

  /** Stops the timer. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #add(socket: Socket, known: NodeConnection | undefined, latest: NodeConnection['latest']): void {
    const { response } = latest;
    const connection = known ?? { latest, unfinished: new Map(), isEnding: false };
    connection.latest = latest;
    connection.unfinished.set(response, 0);
    this.#connections.set(socket, connection);
    this.#busy.set(socket, connection);
    this.#timer ??= setInterval(() => this.tick(), TICK_MS).unref();
    if (this.#closing || connection.unfinished.size >= MAX_UNFINISHED || this.#ages.isOver(socket))
      end(socket, connection);
    response.once('close', () => {
      connection.unfinished.delete(response);
      if (connection.unfinished.size > 0) return;
      this.#busy.delete(socket);
      // Its head was sent before `end`.
      if (connection.isEnding) socket.destroySoon();
    });
  }
}

/** Makes the latest request the last one, and says so in the head of its response. */
function end(socket: Socket, connection: NodeConnection): void {
  connection.isEnding = true;
  connection.latest.response.shouldKeepAlive = false;
  // Node calls this after the response.
  socket.destroySoon = () => endGently(socket);
}

/** Leaves what a client sends after its last request unread, until its last response is sent. */
function stopReading(socket: Socket): void {
  // Delayed: Node resumes the socket after each request that it has parsed.
  setImmediate(() => {
    if (socket.writable) socket.pause();
  });
}
