import type { Logger } from 'pino';
import { RepeatedTask } from '../../lib/repeated-task.ts';
import type { Queries } from '../database.ts';
import { type ClaimedRepair, claimRepairs, publishRepair } from './repair-queue.ts';

/**
 * The pause between turns, and so between a claim and its repair. A transaction whose commit a region applies before the claim must be
 * visible to the repair (docs/adr/0016).
 */
const PAUSE_MS = 250;
/** A turn ends after so many rows, so that repairs of large buckets do not delay replication. */
const ROWS_PER_TURN = 1_000;
const MAX_CLAIMS = 8;

/**
 * Publishes the rows of buckets that regions ask for. Several control planes share the work: the process that claims a bucket
 * publishes it.
 */
export class RepairPublisher extends RepeatedTask {
  readonly #database: Queries;
  readonly #claimed: ClaimedRepair[] = [];
  /** Repairs that this process has published. */
  published = 0;

  constructor(database: Queries, logger: Logger) {
    super({
      intervalMs: PAUSE_MS,
      logger,
      messages: { failed: 'repairs were not published', recovered: 'repairs are published again' },
    });
    this.#database = database;
  }

  protected async turn(): Promise<void> {
    let rows = 0;
    while (rows < ROWS_PER_TURN) {
      const repair = this.#claimed.shift();
      if (repair === undefined) break;
      const published = await publishRepair(this.#database, repair);
      if (published === undefined) continue;
      this.published += 1;
      rows += published;
    }
    this.#claimed.push(...(await claimRepairs(this.#database, MAX_CLAIMS - this.#claimed.length)));
  }
}
