import type { Logger } from 'pino';
import type { Queries } from './database.ts';

const INTERVAL_MS = 1_000;

/**
 * Writes the time into the one row of `heartbeat`, again and again: its age in a region is the replication lag.
 * Several control planes may do so at once.
 */
export class Heartbeat {
  readonly #database: Queries;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> = Promise.resolve();
  #failing = false;
  /** Whether the primary took a beat yet. */
  begun = false;
  failures = 0;

  constructor(database: Queries, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
  }

  start(): void {
    this.#next(0);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#beating;
    clearTimeout(this.#timer);
  }

  #next(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#beating = this.#beat();
    }, delayMs);
  }

  async #beat(): Promise<void> {
    try {
      await this.#database.query('UPDATE heartbeat SET beat_at = clock_timestamp()');
      if (this.#failing) this.#logger.info('the primary takes heartbeats again');
      this.#failing = false;
      this.begun = true;
    } catch (error) {
      this.failures += 1;
      // Once an outage, not once a second.
      if (!this.#failing) this.#logger.error({ err: error }, 'the primary takes no heartbeat');
      this.#failing = true;
    }
    if (this.#timer !== undefined) this.#next(INTERVAL_MS);
  }
}
