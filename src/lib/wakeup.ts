/** Lets one waiter sleep until a notification or a timeout. A notification before the wait is not lost. */
export class Wakeup {
  #notified = false;
  #wake: (() => void) | undefined;

  notify(): void {
    this.#notified = true;
    this.#wake?.();
  }

  /** Discards earlier notifications. */
  reset(): void {
    this.#notified = false;
  }

  async wait(timeoutMs: number): Promise<void> {
    if (this.#notified) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}
