import { BrokenCircuitError, CircuitState, ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel';
import type { Pool, QueryConfig, QueryResultRow } from 'pg';
import { OverloadedError, StoreUnavailableError } from './key-store.ts';

/** Failures in a row after which Postgres is taken to be gone, and how long until it is tried again. */
const BREAK_AFTER_FAILURES = 3;
const TRY_AGAIN_AFTER_MS = 500;

/**
 * The way to Postgres. Everything that goes wrong with it is a `StoreUnavailableError`. While it is gone callers are
 * told so at once, without waiting for a connection; and no more than `maxWaiting` of them ever wait for one.
 */
export class Replica {
  readonly #pool: Pool;
  readonly #maxWaiting: number;
  readonly #breaker = circuitBreaker(handleAll, {
    halfOpenAfter: TRY_AGAIN_AFTER_MS,
    breaker: new ConsecutiveBreaker(BREAK_AFTER_FAILURES),
  });

  constructor(pool: Pool, maxWaiting: number) {
    this.#pool = pool;
    this.#maxWaiting = maxWaiting;
  }

  /** Runs a statement and returns its rows. */
  async query<Row extends QueryResultRow>(statement: QueryConfig): Promise<Row[]> {
    if (this.#pool.waitingCount >= this.#maxWaiting)
      throw new OverloadedError('too many lookups wait for Postgres');
    // While one statement tries whether Postgres is back, the others do not wait for what becomes of it.
    if (this.#breaker.state === CircuitState.HalfOpen) throw new StoreUnavailableError('Postgres');
    try {
      const result = await this.#breaker.execute(() => this.#pool.query<Row>(statement));
      return result.rows;
    } catch (error) {
      throw new StoreUnavailableError('Postgres', error instanceof BrokenCircuitError ? undefined : error);
    }
  }
}
