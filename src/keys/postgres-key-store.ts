import type { Pool } from 'pg';
import { KEY_COLUMNS, keyRecordFromRow } from './key-record.ts';
import { type HeldKey, type KeyQuery, type KeyStore, StoreUnavailableError } from './key-store.ts';

/** Reads keys from Postgres, one prepared statement a lookup. */
export class PostgresKeyStore implements KeyStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async get({ id }: KeyQuery): Promise<HeldKey | undefined> {
    const row = await this.#row(id);
    return row === undefined ? undefined : { record: keyRecordFromRow(row), tier: 'postgres', stale: false };
  }

  async #row(id: string): Promise<({ id: string } & Record<string, unknown>) | undefined> {
    try {
      const result = await this.#pool.query({
        name: 'key-by-id',
        text: `SELECT ${KEY_COLUMNS} FROM api_keys WHERE id = $1`,
        values: [id],
      });
      return result.rows[0];
    } catch (error) {
      throw new StoreUnavailableError('Postgres', error);
    }
  }
}
