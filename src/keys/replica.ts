import { setTimeout as sleep } from 'node:timers/promises';
import { CircuitState, circuitBreaker, handleWhen, isBrokenCircuitError } from 'cockatiel';
import type { Pool, PoolClient, QueryConfig, QueryResultRow } from 'pg';
import { PreparedLookup, type TextRow } from '../database/prepared-lookup.ts';
import { Slots } from '../lib/slots.ts';
import { StoreOverloadedError, StoreUnavailableError } from './key-store.ts';
import { SilenceBreaker } from './silence-breaker.ts';

/** When the breaker opens, and the time until the next probe. */
const OPEN_AFTER = { failures: 3, silenceMs: 500 };
const PROBE_INTERVAL_MS = 500;

/** Bounds of the load on Postgres. */
export interface ReplicaLimits {
  /** Concurrent statements, equal to the connections of the pool. */
  connections: number;
  /** Maximum number of waiting statements, and their timeout. */
  waiting: number;
  waitMs: number;
}

/**
 * Statements are prepared once per connection. Behind transaction pooling a connection has another server connection for
 * each statement, so they must not have a name.
 */
export type StatementNames = 'named' | 'unnamed';

/** A statement whose cost depends on stored data. Its timeout proves nothing about Postgres. */
class SlowStatementError extends Error {
  override name = 'SlowStatementError';
}

/**
 * Access to Postgres with bounds and a breaker. Every failure of Postgres becomes a `StoreUnavailableError`. While the
 * breaker is open, callers fail fast; a background probe detects recovery.
 *
 * Statements wait here and not in the pool, whose timeout looks like an unavailable Postgres. A full queue is an
 * `StoreOverloadedError` and does not open the breaker.
 */
export class Replica {
  readonly #pool: Pool;
  readonly #limits: ReplicaLimits;
  readonly #names: StatementNames;
  readonly #slots: Slots;
  readonly #breakerPolicy = new SilenceBreaker(OPEN_AFTER);
  readonly #breaker = circuitBreaker(
    handleWhen((error) => !(error instanceof SlowStatementError)),
    {
      halfOpenAfter: PROBE_INTERVAL_MS,
      breaker: this.#breakerPolicy,
    },
  );
  #recovering = false;
  /** Callers that are refused while the breaker is open get this cause. */
  #lastFailure: unknown;
  #suspecting = false;

  constructor(pool: Pool, limits: ReplicaLimits, names: StatementNames = 'named') {
    this.#pool = pool;
    this.#limits = limits;
    this.#names = names;
    this.#slots = new Slots({
      slots: limits.connections,
      waiting: limits.waiting,
      waitMs: limits.waitMs,
      refusal: () => new StoreOverloadedError('too many lookups are waiting for Postgres'),
    });
    this.#breaker.onBreak(() => void this.#recover());
  }

  /**
   * Opens all connections ahead: logins are expensive for both sides during a storm. A connection that fails now opens
   * on demand.
   */
  async open(): Promise<void> {
    const openOne = () => this.query({ text: 'SELECT' }).then(ignore, ignore);
    await Promise.all(Array.from({ length: this.#limits.connections }, openOne));
  }

  /** Whether a statement has succeeded since the start. */
  get hasAnswered(): boolean {
    return this.#breakerPolicy.hasResponded;
  }

  /** Whether statements are sent to Postgres. */
  get isAvailable(): boolean {
    return this.#breaker.state === CircuitState.Closed;
  }

  /**
   * Tests a replica that may be silent, so that callers need not wait for the timeout to find out. Its failures open the
   * breaker.
   */
  suspect(): void {
    if (this.#suspecting || !this.isAvailable) return;
    this.#suspecting = true;
    const test = () => this.query({ text: 'SELECT' }).then(ignore, ignore);
    void Promise.all(Array.from({ length: OPEN_AFTER.failures }, test)).then(() => {
      this.#suspecting = false;
    });
  }

  /**
   * Runs a statement and returns its rows.
   * @param speed whether a timeout counts as silence of Postgres
   */
  async query<Row extends QueryResultRow>(
    { name, ...unnamed }: QueryConfig,
    speed: 'fast' | 'may be slow' = 'fast',
  ): Promise<Row[]> {
    const statement = this.#names === 'named' && name !== undefined ? { ...unnamed, name } : unnamed;
    return await this.#run(async (client) => {
      try {
        return (await client.query<Row>(statement)).rows;
      } catch (error) {
        if (speed === 'fast' || !isTimeout(error)) throw error;
        throw new SlowStatementError('a statement took too long', { cause: error });
      }
    });
  }

  /** Runs a prepared statement with one text parameter and returns its rows as texts. */
  async lookup(name: string, text: string, value: string): Promise<TextRow[]> {
    const statementName = this.#names === 'named' ? name : '';
    return await this.#run(
      (client) =>
        new Promise((resolve, reject) => {
          client.query(
            new PreparedLookup(statementName, text, value, (error, rows) => {
              if (error === null) resolve(rows);
              else reject(error);
            }),
          );
        }),
    );
  }

  async #run<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    this.#assertClosed();
    return await this.#slots.run(async () => {
      try {
        this.#assertClosed();
        return await this.#breaker.execute(() => this.#execute(work));
      } catch (error) {
        if (error instanceof StoreUnavailableError) throw error;
        if (!isBrokenCircuitError(error)) this.#lastFailure = error;
        throw new StoreUnavailableError('Postgres', this.#lastFailure);
      }
    });
  }

  async #execute<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#connection();
    let failure: Error | undefined;
    try {
      return await work(client);
    } catch (error) {
      failure = error as Error;
      throw error;
    } finally {
      client.release(failure); // the pool closes a connection that is released with an error
    }
  }

  /** Retries once while Postgres responds on other connections: under load a login may fail although lookups succeed. */
  async #connection(): Promise<PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      if (this.#breakerPolicy.responding) return await this.#pool.connect();
      throw error;
    }
  }

  #assertClosed(): void {
    if (!this.isAvailable) throw new StoreUnavailableError('Postgres', this.#lastFailure);
  }

  /** Probes until Postgres responds, so that the breaker is closed before the next caller. */
  async #recover(): Promise<void> {
    if (this.#recovering) return;
    this.#recovering = true;
    while (!this.isAvailable && !this.#pool.ending) {
      await sleep(PROBE_INTERVAL_MS, undefined, { ref: false });
      await this.#breaker.execute(() => this.#pool.query('SELECT')).catch(() => {});
    }
    this.#recovering = false;
  }
}

/** Of the server (`statement_timeout`), or of node-postgres. */
function isTimeout(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return code === '57014' || message === 'Query read timeout';
}

function ignore(): void {}
