import type { Logger } from 'pino';
import { messageOf } from '../lib/message-of.ts';
import type { Queries } from './database.ts';

const INTERVAL_MS = 1_000;

/**
 * Writes the current time into the row of `heartbeat` every second. The age of that row in a region is the replication lag.
 * Several control planes can do this at the same time.
 */
export class Heartbeat {
  readonly #database: Queries;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  #currentWrite: Promise<void> = Promise.resolve();
  #failing = false;
  /** Whether a write has succeeded since the start. */
  hasSucceeded = false;
  failures = 0;
  /** Message of the last failure. */
  lastFailure: string | undefined;

  constructor(database: Queries, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
  }

  start(): void {
    this.#schedule(0);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#currentWrite;
    clearTimeout(this.#timer);
  }

  #schedule(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#currentWrite = this.#write();
    }, delayMs);
  }

  async #write(): Promise<void> {
    try {
      await this.#database.query('UPDATE heartbeat SET beat_at = clock_timestamp()');
      if (this.#failing) this.#logger.info('heartbeat writes succeed again');
      this.#failing = false;
      this.hasSucceeded = true;
    } catch (error) {
      this.failures += 1;
      this.lastFailure = messageOf(error);
      // One line per outage instead of one per second.
      if (!this.#failing) this.#logger.error({ err: error }, 'heartbeat write failed');
      this.#failing = true;
    }
    if (this.#timer !== undefined) this.#schedule(INTERVAL_MS);
  }
}
