import type { Logger } from 'pino';
import { messageOf } from './message-of.ts';

export interface RepeatedTaskOptions {
  /** From the end of a turn to the next one. */
  intervalMs: number;
  logger: Logger;
  /** Log lines when turns begin to fail, and when one succeeds again. */
  messages: { failed: string; recovered: string };
}

/** Repeats work until it is stopped. A turn that fails is counted, and an outage is one log line instead of one per turn. */
export abstract class RepeatedTask {
  readonly #options: RepeatedTaskOptions;
  #timer: NodeJS.Timeout | undefined;
  #currentTurn: Promise<void> = Promise.resolve();
  #failing = false;
  /** Whether a turn has succeeded since the start. */
  hasSucceeded = false;
  failures = 0;
  /** Message of the last failure. */
  lastFailure: string | undefined;

  constructor(options: RepeatedTaskOptions) {
    this.#options = options;
  }

  protected abstract turn(): Promise<void>;

  start(delayMs = this.#options.intervalMs): void {
    this.#timer = setTimeout(() => {
      this.#currentTurn = this.#run();
    }, delayMs);
  }

  /** Resolves at the end of the current turn. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#currentTurn;
  }

  async #run(): Promise<void> {
    const { logger, messages } = this.#options;
    try {
      await this.turn();
      if (this.#failing) logger.info(messages.recovered);
      this.#failing = false;
      this.hasSucceeded = true;
    } catch (error) {
      this.failures += 1;
      this.lastFailure = messageOf(error);
      if (!this.#failing) logger.error({ err: error }, messages.failed);
      this.#failing = true;
    }
    if (this.#timer !== undefined) this.start();
  }
}
