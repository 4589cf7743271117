import type { Logger } from 'pino';
import { FailureLog } from './failure-log.ts';
import { messageOf } from './message-of.ts';

export interface RepeatedTaskOptions {
  /** From the end of a turn to the next one. */
  intervalMs: number;
  logger: Logger;
  /** Log lines while turns fail, and when one succeeds again. */
  messages: { failed: string; recovered: string };
}

/** Repeats work until it is stopped. A turn that fails is counted, and an outage is few log lines instead of one per turn. */
export abstract class RepeatedTask {
  readonly #intervalMs: number;
  readonly #log: FailureLog;
  #timer: NodeJS.Timeout | undefined;
  #currentTurn: Promise<void> = Promise.resolve();
  /** Whether a turn has succeeded since the start. */
  hasSucceeded = false;
  failures = 0;
  /** Message of the last failure. */
  lastFailure: string | undefined;

  constructor(options: RepeatedTaskOptions) {
    this.#intervalMs = options.intervalMs;
    this.#log = new FailureLog(options.logger, options.messages, () => performance.now());
  }

  protected abstract turn(): Promise<void>;

  start(delayMs = this.#intervalMs): void {
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
    try {
      await this.turn();
      this.#log.succeeded();
      this.hasSucceeded = true;
    } catch (error) {
      this.failures += 1;
      this.lastFailure = messageOf(error);
      this.#log.failed(error);
    }
    if (this.#timer !== undefined) this.start();
  }
}
