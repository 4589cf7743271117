import type { Logger } from 'pino';
import type { Queries } from '../database.ts';
import { type ClaimedPart, claimDueParts, publishPart } from './parts.ts';

/**
 * The pause between a claim and its digest. A transaction whose commit a region applies before the claim must be visible to the
 * digest; it becomes visible shortly after its commit record was written (docs/adr/0014).
 */
const PAUSE_MS = 100;

/**
 * Publishes the digest of every part of `api_keys` and `roles` about every four seconds. Regions compare it with their rows.
 * Several control planes share the work: the process that claims a part publishes it.
 */
export class DigestPublisher {
  readonly #database: Queries;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  #claimed: ClaimedPart[] = [];
  #failing = false;
  failures = 0;

  constructor(database: Queries, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
  }

  start(): void {
    this.#schedule();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#work;
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      this.#work = this.#turn();
    }, PAUSE_MS);
  }

  async #turn(): Promise<void> {
    const claimed = this.#claimed;
    this.#claimed = [];
    try {
      for (const part of claimed) await publishPart(this.#database, part);
      this.#claimed = await claimDueParts(this.#database);
      if (this.#failing) this.#logger.info('digests are published again');
      this.#failing = false;
    } catch (error) {
      this.failures += 1;
      // One line per outage instead of ten per second.
      if (!this.#failing) this.#logger.error({ err: error }, 'digests were not published');
      this.#failing = true;
    }
    if (this.#timer !== undefined) this.#schedule();
  }
}
