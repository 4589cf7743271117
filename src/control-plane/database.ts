import pg, { type Pool, type PoolClient } from 'pg';
import { StoreUnavailableError } from '../keys/key-store.ts';
import type { AuditEvent } from './audit/audit-event.ts';

/** Runs statements: on any connection, or inside one transaction. */
export interface Queries {
  /** @throws {StoreUnavailableError} when the database cannot answer now */
  query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Told of each event of the audit trail as it is written; listeners hear of it once it is committed. */
  recorded(event: AuditEvent): void;
}

/** Classes of SQLSTATE that say "not now" and nothing about the statement. */
const TRANSIENT = /^(08|40|53|55|57|58|25006)/;

/** The primary, as the life cycle uses it: bounded waits come with the pool, faults become one error. */
export class Database implements Queries {
  readonly #pool: Pool;
  readonly #onEvent: (event: AuditEvent) => void;

  /** @param onEvent told of each event of the audit trail that is committed */
  constructor(pool: Pool, onEvent: (event: AuditEvent) => void = () => {}) {
    this.#pool = pool;
    this.#onEvent = onEvent;
  }

  recorded(event: AuditEvent): void {
    this.#onEvent(event);
  }

  async query<Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return rows<Row>(this.#pool, text, values);
  }

  /**
   * Runs `work` in one transaction; what it throws rolls everything back.
   *
   * A commit whose answer is lost surfaces as `StoreUnavailableError` although it may have happened: callers that
   * make something give their clients an idempotency key.
   */
  async transaction<Result>(work: (transaction: Queries) => Promise<Result>): Promise<Result> {
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw new StoreUnavailableError('Postgres', error);
    });
    const events: AuditEvent[] = [];
    const transaction: Queries = {
      query: (text, values = []) => rows(client, text, values),
      recorded: (event) => void events.push(event),
    };
    let broken = false;
    // node-postgres ends the process over a connection that breaks while it is lent and nobody listens.
    const onError = () => {
      broken = true;
    };
    client.on('error', onError);
    try {
      await transaction.query('BEGIN');
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
