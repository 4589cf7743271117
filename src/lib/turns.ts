import { setImmediate } from 'node:timers/promises';

/** Lets one caller at a time continue, each in its own turn of the event loop: for work that takes milliseconds. */
export class Turns {
  #last = Promise.resolve();

  next(): Promise<void> {
    this.#last = this.#last.then(() => setImmediate());
    return this.#last;
  }
}
