import type { Socket } from 'node:net';

/** One direction of a proxied connection. It forwards, delays or drops data. */
export class Lane {
  delayMs = 0;
  dropping = false;
  /** Bytes that pass at once, with a pause of 5 ms after each; 0 for whole chunks. */
  dripBytes = 0;
  /** Data was dropped, so the receiver's stream has a gap. */
  lossy = false;
  readonly #target: Socket;
  /** Keeps chunks in order even if the delay shrinks while some are in flight. */
  #tail: Promise<void> = Promise.resolve();

  constructor(source: Socket, target: Socket) {
    this.#target = target;
    source.on('data', (chunk: Buffer) => {
      if (this.dripBytes === 0 || this.dropping) this.#carry(() => target.write(chunk));
      else this.#drip(chunk);
    });
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

  /** In order with what `#carry` delivers. */
  #drip(chunk: Buffer): void {
    const size = this.dripBytes;
    for (let from = 0; from < chunk.length; from += size) {
      const drop = chunk.subarray(from, from + size);
      this.#tail = this.#tail.then(async () => {
        this.#deliver(() => this.#target.write(drop));
        // Whatever is left when the fault has ended passes at once.
        if (this.dripBytes > 0) await new Promise((resolve) => setTimeout(resolve, 5));
      });
    }
  }

  #deliver(deliver: () => void): void {
    if (this.dropping) this.lossy = true;
    else if (!this.#target.destroyed) deliver();
  }
}
