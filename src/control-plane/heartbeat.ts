import type { Logger } from 'pino';
import type { ClockCheck } from '../keys/change-feed/clock-check.ts';
import { RepeatedTask } from '../lib/repeated-task.ts';
import type { Queries } from './database.ts';

const INTERVAL_MS = 1_000;

/** There are 8,191, and each is a promotion, a restore or the work of a thief. */
const MANY_EPOCHS = 1_000;

/** Where the primary is in its history (docs/adr/0015). */
interface Beat {
  epoch: number;
  /** int8, as a text. */
  counter: string;
  /** The primary's clock, in seconds, as a text. */
  primary_time: string;
}

/**
 * Writes the row of `heartbeat` every second. The age of that row in a region is the replication lag, and its epoch and counter
 * show a region whether it has missed something. Several control planes can do this at the same time. Each compares its clock with
 * the primary's by the way.
 */
export class Heartbeat extends RepeatedTask {
  readonly #database: Queries;
  readonly #logger: Logger;
  readonly #clock: ClockCheck;
  #newest: Pick<Beat, 'epoch' | 'counter'> = { epoch: 0, counter: '0' };

  constructor(database: Queries, logger: Logger, clock: ClockCheck) {
    super({
      intervalMs: INTERVAL_MS,
      logger,
      messages: { failed: 'heartbeat write failed', recovered: 'heartbeat writes succeed again' },
    });
    this.#database = database;
    this.#logger = logger;
    this.#clock = clock;
  }

  /** A primary that is older than a heartbeat of this process was restored, and starts the next epoch. */
  protected async turn(): Promise<void> {
    const { epoch, counter } = this.#newest;
    const sentAtMs = this.#clock.monotonicNow();
    const [beat] = await this.#database.query<Beat>(
      'SELECT epoch, counter, extract(epoch FROM clock_timestamp()) AS primary_time FROM beat($1, $2)',
      [epoch, counter],
    );
    if (beat === undefined) return;
    this.#clock.compare(Number(beat.primary_time) * 1_000, sentAtMs);
    this.#newest = beat;
    if (beat.epoch !== epoch && beat.epoch > MANY_EPOCHS) {
      this.#logger.error(
        { epoch: beat.epoch },
        'most primaries have few epochs, and there are 8,191; docs/failover.md, "Begin an epoch", says what to check',
      );
    }
    if (this.hasSucceeded && beat.epoch !== epoch) {
      this.#logger.error(
        { epoch: beat.epoch },
        'the primary is another server than before, or has lost changes; a new epoch begins and every region compares its rows',
      );
    }
  }
}
