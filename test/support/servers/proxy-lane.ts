import type { Socket } from 'node:net';

/** One direction of one proxied connection: forwards, delays or drops what comes. */
export class Lane {
  delayMs = 0;
  dropping = false;
  /** Something was dropped, so the receiver's stream has a hole for good. */
  lossy = false;
  readonly #target: Socket;
  /** Chunks leave one after another even when the delay shrinks while some are under way. */
  #tail: Promise<void> = Promise.resolve();

  constructor(source: Socket, target: Socket) {
    this.#target = target;
    source.on('data', (chunk: Buffer) => this.#carry(() => target.write(chunk)));
    source.on('end', () => this.#carry(() => target.end()));
  }

  #carry(deliver: () => void): void {
    if (this.dropping) {
      this.lossy = true;
      return;
    }
    if (this.delayMs === 0) {
      this.#tail = this.#tail.then(() => this.#deliver(deliver));
      return;
    }
    const arrived = new Promise((resolve) => setTimeout(resolve, this.delayMs));
    this.#tail = Promise.all([this.#tail, arrived]).then(() => this.#deliver(deliver));
  }

  #deliver(deliver: () => void): void {
    if (this.dropping) this.lossy = true;
    else if (!this.#target.destroyed) deliver();
  }
}
