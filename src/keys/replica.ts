import { setTimeout as sleep } from 'node:timers/promises';
import { CircuitState, ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel';
import type { Pool, QueryConfig, QueryResultRow } from 'pg';
import { OverloadedError, StoreUnavailableError } from './key-store.ts';

/** Failures in a row after which Postgres is taken to be gone, and how long until it is tried again. */
const BREAK_AFTER_FAILURES = 3;
const TRY_AGAIN_AFTER_MS = 500;

/**
 * The way to Postgres. Everything that goes wrong with it is a `StoreUnavailableError`. While it is gone callers are
 * told so at once, without waiting for a connection: it is not they who find out whether it is back. And no more than
 * `maxWaiting` of them ever wait for a connection.
 */
export class Replica {
  readonly #pool: Pool;
  readonly #maxWaiting: number;
  readonly #breaker = circuitBreaker(handleAll, {
    halfOpenAfter: TRY_AGAIN_AFTER_MS,
    breaker: new ConsecutiveBreaker(BREAK_AFTER_FAILURES),
  });
  #recovering = false;

  constructor(pool: Pool, maxWaiting: number) {
    this.#pool = pool;
    this.#maxWaiting = maxWaiting;
    this.#breaker.onBreak(() => void this.#recover());
  }

  /** Runs a statement and returns its rows. */
  async query<Row extends QueryResultRow>(statement: QueryConfig): Promise<Row[]> {
    if (this.#breaker.state !== CircuitState.Closed) throw new StoreUnavailableError('Postgres');
    if (this.#pool.waitingCount >= this.#maxWaiting)
      throw new OverloadedError('too many lookups wait for Postgres');
    try {
      return (await this.#breaker.execute(() => this.#pool.query<Row>(statement))).rows;
    } catch (error) {
      throw new StoreUnavailableError('Postgres', error);
    }
  }

  /** Tries until Postgres answers, so that it is in use again before anybody asks. */
  async #recover(): Promise<void> {
    if (this.#recovering) return;
    this.#recovering = true;
    while (this.#breaker.state !== CircuitState.Closed && !this.#pool.ending) {
      await sleep(TRY_AGAIN_AFTER_MS, undefined, { ref: false });
      await this.#breaker.execute(() => this.#pool.query('SELECT')).catch(() => {});
    }
    this.#recovering = false;
  }
}
