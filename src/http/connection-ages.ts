import type { Socket } from 'node:net';

/** Share of the maximum age by which connections differ, so that a restart does not end all of them at once later. */
const JITTER = 0.1;

/**
 * Knows which connections are too old to stay open. A certificate is checked only at the start of a connection, so its revocation
 * counts once the connection has ended.
 */
export class ConnectionAges {
  readonly #maxAgeMs: number;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #endsAtMs = new WeakMap<Socket, number>();

  /** @param now monotonic, in milliseconds. @param random from 0 to 1 */
  constructor(maxAgeMs: number, now: () => number = () => performance.now(), random = Math.random) {
    this.#maxAgeMs = maxAgeMs;
    this.#now = now;
    this.#random = random;
  }

  /** Starts the age of a new connection. */
  start(socket: Socket): void {
    this.#endsAtMs.set(socket, this.#now() + this.#maxAgeMs * (1 - JITTER * this.#random()));
  }

  /** Whether the connection must end with its next response. */
  isOver(socket: Socket): boolean {
    const endsAtMs = this.#endsAtMs.get(socket);
    return endsAtMs !== undefined && this.#now() >= endsAtMs;
  }
}
