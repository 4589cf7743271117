import type { Logger } from 'pino';
import { RepeatedTask } from '../../lib/repeated-task.ts';
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
export class DigestPublisher extends RepeatedTask {
  readonly #database: Queries;
  #claimed: ClaimedPart[] = [];

  constructor(database: Queries, logger: Logger) {
    super({
      intervalMs: PAUSE_MS,
      logger,
      messages: { failed: 'digests were not published', recovered: 'digests are published again' },
    });
    this.#database = database;
  }

  protected async turn(): Promise<void> {
    const claimed = this.#claimed;
    this.#claimed = [];
    for (const part of claimed) await publishPart(this.#database, part);
    this.#claimed = await claimDueParts(this.#database);
  }
}
