/** Lets one waiter sleep until somebody rings or time is up. A ring before the wait is not lost. */
export class Wakeup {
  #notified = false;
  #wake: (() => void) | undefined;

  notify(): void {
    this.#notified = true;
    this.#wake?.();
  }

  /** Forgets earlier rings. */
  reset(): void {
    this.#notified = false;
  }

  async wait(longestMs: number): Promise<void> {
    if (this.#notified) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, longestMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}
