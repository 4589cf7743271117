import type { Socket } from 'node:net';

/** One direction of a proxied connection. It forwards, delays or drops data. */
export class Lane {
  delayMs = 0;
  dropping = false;
  /** Data was dropped, so the receiver's stream has a gap. */
  lossy = false;
  readonly #target: Socket;
  /** Keeps chunks in order even if the delay shrinks while some are in flight. */
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
