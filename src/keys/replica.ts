import { setTimeout as sleep } from 'node:timers/promises';
import { CircuitState, circuitBreaker, handleAll } from 'cockatiel';
import type { Pool, PoolClient, QueryConfig, QueryResultRow } from 'pg';
import { PreparedLookup, type TextRow } from '../database/prepared-lookup.ts';
import { OverloadedError, StoreUnavailableError } from './key-store.ts';
import { SilenceBreaker } from './silence-breaker.ts';

/** When Postgres is taken to be gone, and how long until it is tried again. */
const GONE_AFTER = { failures: 3, silenceMs: 500 };
const TRY_AGAIN_AFTER_MS = 500;

/** How much may be asked of Postgres. */
export interface ReplicaLimits {
  /** Statements at a time: as many as the pool has connections. */
  connections: number;
  /** Statements that may wait for their turn, and how long. */
  waiting: number;
  waitMs: number;
}

/**
 * The way to Postgres. Everything that goes wrong with it is a `StoreUnavailableError`. While it is gone callers are
 * told so at once, without waiting for a connection: it is not they who find out whether it is back.
 *
 * Statements wait here and not in the pool, whose timeout looks like a Postgres that is gone: too much to do is an
 * `OverloadedError`, and no reason to leave Postgres alone.
 */
export class Replica {
  readonly #pool: Pool;
  readonly #limits: ReplicaLimits;
  readonly #silence = new SilenceBreaker(GONE_AFTER);
  readonly #breaker = circuitBreaker(handleAll, {
    halfOpenAfter: TRY_AGAIN_AFTER_MS,
    breaker: this.#silence,
  });
  readonly #waiting = new Set<PromiseWithResolvers<void>>();
  #running = 0;
  #recovering = false;

  constructor(pool: Pool, limits: ReplicaLimits) {
    this.#pool = pool;
    this.#limits = limits;
    this.#breaker.onBreak(() => void this.#recover());
  }

  /**
   * Opens all connections ahead, for to log in is what Postgres and this process have least time for in a storm.
   * Those that cannot be opened now are opened when they are needed.
   */
  async open(): Promise<void> {
    const openOne = () => this.#pool.connect().then((client) => client.release(), ignore);
    await Promise.all(Array.from({ length: this.#limits.connections }, openOne));
  }

  /** Runs a statement and returns its rows. */
  async query<Row extends QueryResultRow>(statement: QueryConfig): Promise<Row[]> {
    return await this.#run(async (client) => (await client.query<Row>(statement)).rows);
  }

  /** Runs a statement that takes one text, prepared under this name, and returns its rows as texts. */
  async lookUp(name: string, text: string, value: string): Promise<TextRow[]> {
    return await this.#run(
      (client) =>
        new Promise((resolve, reject) => {
          client.query(
            new PreparedLookup(name, text, value, (error, rows) => {
              if (error === null) resolve(rows);
              else reject(error);
            }),
          );
        }),
    );
  }

  async #run<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    this.#refuseWhileGone();
    if (this.#running < this.#limits.connections) this.#running += 1;
    else await this.#turn();
    try {
      this.#refuseWhileGone();
      return await this.#breaker.execute(() => this.#ask(work));
    } catch (error) {
      throw error instanceof StoreUnavailableError ? error : new StoreUnavailableError('Postgres', error);
    } finally {
      this.#handOn();
    }
  }

  async #ask<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#connection();
    let failure: Error | undefined;
    try {
      return await work(client);
    } catch (error) {
      failure = error as Error;
      throw error;
    } finally {
      client.release(failure); // with an error it is not used again
    }
  }

  /** To log in costs Postgres more than a lookup: under load that may fail while open connections are answered. */
  async #connection(): Promise<PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      if (this.#silence.answering) return await this.#pool.connect();
      throw error;
    }
  }

  #refuseWhileGone(): void {
    if (this.#breaker.state !== CircuitState.Closed) throw new StoreUnavailableError('Postgres');
  }

  async #turn(): Promise<void> {
    const { waiting, waitMs } = this.#limits;
    const refusal = () => new OverloadedError('too many lookups wait for Postgres');
    if (this.#waiting.size >= waiting) throw refusal();
    const turn = Promise.withResolvers<void>();
    this.#waiting.add(turn);
    const timer = setTimeout(() => {
      this.#waiting.delete(turn);
      turn.reject(refusal());
    }, waitMs);
    try {
      await turn.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Gives the place to the one that has waited longest, so that `#running` does not change, or leaves it free. */
  #handOn(): void {
    const next = this.#waiting.values().next().value;
    if (next === undefined) {
      this.#running -= 1;
      return;
    }
    this.#waiting.delete(next);
    next.resolve();
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

function ignore(): void {}
