import type { Socket } from 'node:net';
import { PlainConnection, type PlainService } from './plain-connection.ts';

export const TICK_MS = 1_000;

/** All connections that send plain requests and nothing else so far. */
export class PlainLane {
  readonly #service: PlainService;
  readonly #connections = new Set<PlainConnection>();
  #ticking: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(service: PlainService) {
    this.#service = service;
  }

  /** Serves a new connection. @param handOver called when it turns out to need a whole HTTP server */
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
    this.#ticking ??= setInterval(() => {
      for (const one of this.#connections) one.tick();
    }, TICK_MS).unref();
  }

  /** Answers what is under way, closes all connections, and takes no more. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#ticking);
    for (const connection of this.#connections) connection.close();
  }
}
