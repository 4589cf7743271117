import type { TextRow } from '../database/prepared-lookup.ts';
import { TickBatcher } from '../lib/tick-batcher.ts';
import { Interner } from './cache/interner.ts';
import { policies } from './cache/policies.ts';
import { ID_POSITION, KEY_COLUMNS, parseAssignments, parseKeyRow } from './key-row.ts';
import type { KeyQuery, KeyStore, KeyVersions, LoadedKey } from './key-store.ts';
import type { Replica } from './replica.ts';

/** Keys of one statement. More would delay the first row. */
const MAX_BATCH_SIZE = 50;

/** Loads keys from Postgres: one prepared statement for all lookups of a turn of the event loop. */
export class PostgresKeyStore implements KeyStore, KeyVersions {
  readonly #replica: Replica;
  readonly #now: () => number;
  readonly #interner: Interner;
  readonly #rows = new TickBatcher(MAX_BATCH_SIZE, (ids: string[]) => this.#readAll(ids));
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
    const row = await this.#rows.add(id);
    if (row === undefined) return undefined;
    const record = parseKeyRow(id, row, this.#toAssignments);
    return { record, tier: 'postgres', confirmedAtMs, superseded: false, stale: false };
  }

  async #readAll(ids: readonly string[]): Promise<(TextRow | undefined)[]> {
    const rows = await this.#replica.lookup(
      'keys-by-id',
      `SELECT ${KEY_COLUMNS} FROM api_keys WHERE id = ANY ($1::text[])`,
      textArray(ids),
    );
    const byId = new Map(rows.map((row) => [row[ID_POSITION], row]));
    return ids.map((id) => byId.get(id));
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

/** The literal of a `text[]`. */
function textArray(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}
