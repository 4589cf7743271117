import { KEY_COLUMNS, keyRecordFromRow } from './key-record.ts';
import type { HeldKey, KeyQuery, KeyStore, KeyVersions } from './key-store.ts';
import type { Replica } from './replica.ts';

/** Reads keys from Postgres, one prepared statement a lookup. */
export class PostgresKeyStore implements KeyStore, KeyVersions {
  readonly #replica: Replica;
  readonly #now: () => number;

  constructor(replica: Replica, now: () => number) {
    this.#replica = replica;
    this.#now = now;
  }

  async get({ id }: KeyQuery): Promise<HeldKey | undefined> {
    const confirmedAtMs = this.#now();
    const rows = await this.#replica.query<{ id: string }>({
      name: 'key-by-id',
      text: `SELECT ${KEY_COLUMNS} FROM api_keys WHERE id = $1`,
      values: [id],
    });
    const row = rows[0];
    return (
      row && { record: keyRecordFromRow(row), tier: 'postgres', confirmedAtMs, outdated: false, stale: false }
    );
  }

  async currentVersion(id: string): Promise<number | undefined> {
    const rows = await this.#replica.query<{ version: string }>({
      name: 'key-version',
      text: 'SELECT version FROM api_keys WHERE id = $1',
      values: [id],
    });
    return rows[0] && Number(rows[0].version);
  }
}
