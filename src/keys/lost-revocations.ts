import type { Logger } from 'pino';
import { LOST_REVOCATIONS, REPEAT_LOST_REVOCATIONS } from '../database/region/lost-revocations.ts';
import { countOf } from '../lib/count-of.ts';
import { RepeatedTask } from '../lib/repeated-task.ts';
import { StoreUnavailableError } from './key-store.ts';
import type { Replica } from './replica.ts';

/** 10,000 of them take 25 ms to count, also after they were repeated. */
const INTERVAL_MS = 5_000;

export interface LostRevocationsDeps {
  replica: Pick<Replica, 'query'>;
  logger: Logger;
  intervalMs?: number;
}

/**
 * Counts the keys that a region accepts again because the primary has lost their revocation. Not the change feed does it: the statement
 * reads `api_keys`, and would wait with the feed while a migration waits for the table.
 */
export class LostRevocations extends RepeatedTask {
  readonly #deps: LostRevocationsDeps;
  /** As last counted; `undefined` before, and on a physical standby, which records none. */
  count: number | undefined;

  constructor(deps: LostRevocationsDeps) {
    super({
      intervalMs: deps.intervalMs ?? INTERVAL_MS,
      logger: deps.logger,
      messages: {
        failed: 'lost revocations cannot be counted',
        recovered: 'lost revocations are counted again',
      },
    });
    this.#deps = deps;
  }

  protected async turn(): Promise<void> {
    try {
      this.#note(await this.#read());
    } catch (error) {
      // The change feed reports an outage.
      if (!(error instanceof StoreUnavailableError)) throw error;
    }
  }

  async #read(): Promise<number | undefined> {
    const { replica } = this.#deps;
    const [table] = await replica.query<{ exists: boolean }>({
      text: "SELECT to_regclass('public.lost_revocations') IS NOT NULL AS exists",
    });
    if (!table?.exists) return undefined;
    const [row] = await replica.query<{ count: number }>({ text: `SELECT ${LOST_REVOCATIONS} AS count` });
    return row?.count;
  }

  /** Logs once per loss: the alert on the metric repeats it. */
  #note(count: number | undefined): void {
    if (count !== undefined && count > (this.count ?? 0)) {
      this.#deps.logger.error(
        { lost_revocations: count },
        `the primary has lost the revocation of ${countOf(count, 'key')}, so this region accepts them again: repeat the revocations (${REPEAT_LOST_REVOCATIONS})`,
      );
    }
    this.count = count;
  }
}
