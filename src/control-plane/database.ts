import pg, { type Pool, type PoolClient } from 'pg';
import { StoreOverloadedError, StoreUnavailableError } from '../keys/key-store.ts';
import { Slots } from '../lib/slots.ts';
import type { AuditEvent } from './audit/audit-event.ts';

/** Runs statements, on any connection or inside one transaction. */
export interface Queries {
  /** @throws {StoreUnavailableError} when the database is not available */
  query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Reports an audit event that was written. Inside a transaction, listeners get it after the commit. */
  onEvent(event: AuditEvent): void;
}

/** SQLSTATEs of transient errors: the statement is not at fault. */
const TRANSIENT = /^(08|40|53|55|57|58|25006)/;

/**
 * Statements and transactions wait here and not in the pool, whose timeout looks like an unavailable Postgres. Kibana sends its grants fifty at
 * a time. Organizations take turns, because changes of one wait for its lock on their connections.
 */
const MAX_WAITING = 1_000;
const MAX_WAIT_MS = 10_000;

/** The primary database. Transient errors become `StoreUnavailableError`; the pool bounds every wait. */
export class Database implements Queries {
  readonly #pool: Pool;
  readonly #onEvent: (event: AuditEvent) => void;
  readonly #slots: Slots;

  /** @param onEvent called with each committed audit event */
  constructor(pool: Pool, onEvent: (event: AuditEvent) => void = () => {}) {
    this.#pool = pool;
    this.#slots = new Slots({
      slots: pool.options.max,
      waiting: MAX_WAITING,
      waitMs: MAX_WAIT_MS,
      refusal: () => new StoreOverloadedError('too many requests are waiting for the primary'),
    });
    this.#onEvent = onEvent;
  }

  onEvent(event: AuditEvent): void {
    this.#onEvent(event);
  }

  async query<Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return this.#slots.run(() => rows<Row>(this.#pool, text, values));
  }

  /** Statements that reach only the rows of one organization. Each is a transaction of its own. */
  of(organizationId: string): Queries {
    return {
      query: (text, values) =>
        this.transactionOf(organizationId, (transaction) => transaction.query(text, values)),
      onEvent: (event) => this.#onEvent(event),
    };
  }

  /**
   * As `transaction`, for a caller: Postgres hides the rows of other organizations, also from a statement that forgets its condition
   * (migrations/primary/0042_row_security.sql).
   */
  transactionOf<Result>(
    organizationId: string,
    work: (transaction: Queries) => Promise<Result>,
  ): Promise<Result> {
    const begin = `BEGIN; SET LOCAL iam.organization = ${pg.escapeLiteral(organizationId)}`;
    return this.#slots.run(() => this.#transaction(begin, work), organizationId);
  }

  /**
   * Runs `work` in one transaction that reaches all organizations. An error rolls everything back.
   *
   * If the response to COMMIT is lost, this throws `StoreUnavailableError` although the commit may have succeeded. Changes that
   * must not happen twice therefore accept an idempotency key.
   */
  transaction<Result>(work: (transaction: Queries) => Promise<Result>): Promise<Result> {
    return this.#slots.run(() => this.#transaction('BEGIN', work));
  }

  async #transaction<Result>(
    begin: string,
    work: (transaction: Queries) => Promise<Result>,
  ): Promise<Result> {
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw new StoreUnavailableError('Postgres', error);
    });
    const events: AuditEvent[] = [];
    const transaction: Queries = {
      query: (text, values = []) => rows(client, text, values),
      onEvent: (event) => void events.push(event),
    };
    let broken = false;
    // Without a listener, an error on a checked-out connection of node-postgres ends the process.
    const onError = () => {
      broken = true;
    };
    client.on('error', onError);
    try {
      await transaction.query(begin);
      const result = await work(transaction);
      await transaction.query('COMMIT');
      events.forEach(this.#onEvent);
      return result;
    } catch (error) {
      broken = !(await rolledBack(client, error));
      throw error;
    } finally {
      client.off('error', onError);
      client.release(broken);
    }
  }
}

async function rolledBack(client: PoolClient, cause: unknown): Promise<boolean> {
  if (cause instanceof StoreUnavailableError) return false;
  try {
    await client.query('ROLLBACK');
    return true;
  } catch {
    return false;
  }
}

async function rows<Row>(on: Pool | PoolClient, text: string, values: readonly unknown[]): Promise<Row[]> {
  try {
    const result = await on.query(text, values as unknown[]);
    return result.rows as Row[];
  } catch (error) {
    const refused = error instanceof pg.DatabaseError && !TRANSIENT.test(error.code ?? '');
    throw refused ? error : new StoreUnavailableError('Postgres', error);
  }
}
