import { Interner } from './cache/interner.ts';
import { policies } from './cache/policies.ts';
import { KEY_COLUMNS, parseAssignments, parseKeyRow } from './key-row.ts';
import type { KeyQuery, KeyStore, KeyVersions, LoadedKey } from './key-store.ts';
import type { Replica } from './replica.ts';

/** Loads keys from Postgres with one prepared statement per lookup. */
export class PostgresKeyStore implements KeyStore, KeyVersions {
  readonly #replica: Replica;
  readonly #now: () => number;
  readonly #interner: Interner;
  readonly #toAssignments = (organizationId: string, json: string) =>
    this.#interner.storedAssignments(organizationId, json, parseAssignments);

  /** @param interner shares equal role assignments between records */
  constructor(replica: Replica, now: () => number, interner = new Interner(policies.sharedTexts.maxEntries)) {
    this.#replica = replica;
    this.#now = now;
    this.#interner = interner;
  }

  async get({ id }: KeyQuery): Promise<LoadedKey | undefined> {
    const confirmedAtMs = this.#now();
    const [row] = await this.#replica.lookup(
      'key-by-id',
      `SELECT ${KEY_COLUMNS} FROM api_keys WHERE id = $1`,
      id,
    );
    if (row === undefined) return undefined;
    const record = parseKeyRow(id, row, this.#toAssignments);
    return { record, tier: 'postgres', confirmedAtMs, superseded: false, stale: false };
  }

  /** Counts the keys that exist. */
  async countExisting(ids: readonly string[]): Promise<number> {
    const [row] = await this.#replica.query<{ count: number }>({
      text: 'SELECT count(*)::int AS count FROM api_keys WHERE id = ANY($1)',
      values: [ids],
    });
    return row?.count ?? 0;
  }

  async currentVersion(id: string): Promise<number | undefined> {
    const [row] = await this.#replica.lookup('key-version', 'SELECT version FROM api_keys WHERE id = $1', id);
    return row && Number(row[0]);
  }
}
