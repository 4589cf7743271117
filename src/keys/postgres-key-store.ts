import { Interner } from './cache/interner.ts';
import { policies } from './cache/policies.ts';
import { KEY_COLUMNS, parseKeyRow, parseRoleAssignments } from './key-row.ts';
import type { KeyQuery, KeyStore, KeyVersions, LoadedKey } from './key-store.ts';
import type { Replica } from './replica.ts';

/** Reads keys from Postgres, one prepared statement a lookup. */
export class PostgresKeyStore implements KeyStore, KeyVersions {
  readonly #replica: Replica;
  readonly #now: () => number;
  readonly #shared: Interner;
  readonly #assignments = (organizationId: string, json: string) =>
    this.#shared.storedAssignments(organizationId, json, parseRoleAssignments);

  /** @param shared assignments that records have in common */
  constructor(replica: Replica, now: () => number, shared = new Interner(policies.sharedTexts.maxEntries)) {
    this.#replica = replica;
    this.#now = now;
    this.#shared = shared;
  }

  async get({ id }: KeyQuery): Promise<LoadedKey | undefined> {
    const confirmedAtMs = this.#now();
    const [row] = await this.#replica.lookUp(
      'key-by-id',
      `SELECT ${KEY_COLUMNS} FROM api_keys WHERE id = $1`,
      id,
    );
    if (row === undefined) return undefined;
    const record = parseKeyRow(row, this.#assignments);
    return { record, tier: 'postgres', confirmedAtMs, superseded: false, stale: false };
  }

  async currentVersion(id: string): Promise<number | undefined> {
    const [row] = await this.#replica.lookUp('key-version', 'SELECT version FROM api_keys WHERE id = $1', id);
    return row && Number(row[0]);
  }
}
