import { roleAssignmentsSchema } from '../roles/role-assignments.ts';
import { Interner } from './cache/interner.ts';
import { policies } from './cache/policies.ts';
import type { KeyQuery, KeyStore, KeyVersions, LoadedKey } from './key-store.ts';
import { BrokenField, KEY_TEXTS, parseKeyRow } from './key-texts.ts';
import type { Replica } from './replica.ts';

/** Reads keys from Postgres, one prepared statement a lookup. */
export class PostgresKeyStore implements KeyStore, KeyVersions {
  readonly #replica: Replica;
  readonly #now: () => number;
  readonly #shared: Interner;
  readonly #assignments = (organizationId: string, json: string) =>
    this.#shared.storedAssignments(organizationId, json, readAssignments);

  /** @param shared assignments that records have in common */
  constructor(replica: Replica, now: () => number, shared = new Interner(policies.sharedTexts.maxEntries)) {
    this.#replica = replica;
    this.#now = now;
    this.#shared = shared;
  }

  async get({ id }: KeyQuery): Promise<LoadedKey | undefined> {
    const confirmedAtMs = this.#now();
    const [texts] = await this.#replica.lookUp(
      'key-by-id',
      `SELECT ${KEY_TEXTS} FROM api_keys WHERE id = $1`,
      id,
    );
    if (texts === undefined) return undefined;
    const record = parseKeyRow(id, texts, this.#assignments);
    return { record, tier: 'postgres', confirmedAtMs, superseded: false, stale: false };
  }

  async currentVersion(id: string): Promise<number | undefined> {
    const [texts] = await this.#replica.lookUp(
      'key-version',
      'SELECT version FROM api_keys WHERE id = $1',
      id,
    );
    return texts && Number(texts[0]);
  }
}

function readAssignments(json: string) {
  const parsed = roleAssignmentsSchema.safeParse(JSON.parse(json));
  if (parsed.success) return parsed.data;
  throw new BrokenField(['role_assignments', ...(parsed.error.issues[0]?.path ?? [])].join('.'));
}
