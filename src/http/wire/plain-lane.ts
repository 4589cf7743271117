import type { Socket } from 'node:net';
import { PlainConnection, type PlainService, TICK_MS } from './plain-connection.ts';

/** All connections that have sent only plain requests so far. */
export class PlainLane {
  readonly #service: PlainService;
  readonly #connections = new Set<PlainConnection>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(service: PlainService) {
    this.#service = service;
  }

  /** Serves a new connection. @param handOver called when the connection needs node:http */
  take(socket: Socket, handOver: () => void): void {
    if (this.#closed) {
      handOver();
      return;
    }
    const connection = new PlainConnection(socket, this.#service, () => {
      this.#connections.delete(connection);
      handOver();
    });
    this.#connections.add(connection);
    socket.once('close', () => this.#connections.delete(connection));
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** Sends pending responses, closes all connections, and accepts no new ones. */
  close(): void {
    this.#closed = true;
    for (const connection of this.#connections) connection.close();
  }

  #tick(): void {
    for (const connection of this.#connections) connection.tick();
    // Not before: a client that does not read would delay the shutdown forever.
    if (this.#closed && this.#connections.size === 0) clearInterval(this.#timer);
  }
}
