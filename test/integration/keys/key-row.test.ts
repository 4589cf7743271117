import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KeyRecord, QuarantinedKeyError } from '../../../src/keys/key-record.ts';
import { KEY_COLUMNS, parseKeyObject } from '../../../src/keys/key-row.ts';
import { PostgresKeyStore } from '../../../src/keys/postgres-key-store.ts';
import { Replica } from '../../../src/keys/replica.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { newCredential, projectRoles } from '../../support/keys.ts';
import { keyRecord } from '../../support/records.ts';

let databases: TestDatabases;
/** Reads a row as the regional service does. */
let store: PostgresKeyStore;

beforeAll(async () => {
  databases = await createDatabases();
  // The tests write to the region directly, also rows that the primary never sends.
  store = new PostgresKeyStore(
    new Replica(databases.region, { connections: 4, waiting: 10, waitMs: 1_000 }),
    Date.now,
  );
});
afterAll(async () => {
  await databases?.close();
});

async function insert(columns: Record<string, unknown>): Promise<string> {
  const row = {
    id: newCredential().id,
    organization_id: 'org',
    description: 'test',
    secret_hash: 'a hash',
    role_assignments: JSON.stringify(projectRoles('elasticsearch', 'p1', ['viewer'])),
    created_by: 'user',
    created_at: '2026-01-01T00:00:00Z',
    version: 1,
    ...columns,
  };
  const names = Object.keys(row);
  await databases.region.query(
    `INSERT INTO api_keys (${names.join(', ')}) VALUES (${names.map((_, index) => `$${index + 1}`).join(', ')})`,
    Object.values(row),
  );
  return row.id;
}

/** Reads a row as the control plane does. */
async function readAsControlPlane(id: string): Promise<KeyRecord> {
  const { rows } = await databases.region.query(`SELECT ${KEY_COLUMNS} FROM api_keys WHERE id = $1`, [id]);
  return parseKeyObject(rows[0]);
}

const minimal = keyRecord('', 1, {
  secretHash: 'a hash',
  roleAssignments: {
    project: {
      elasticsearch: [
        {
          role_id: 'elasticsearch-viewer',
          all: false,
          project_ids: ['p1'],
          application_roles: ['viewer'],
        },
      ],
    },
  },
  createdAtMs: Date.UTC(2026, 0, 1),
});

describe('a row of api_keys', () => {
  it.each<[string, Record<string, unknown>, Partial<KeyRecord>]>([
    ['only the required columns', {}, {}],
    [
      'every column',
      {
        secret_tag: -32_768,
        previous_secret_hash: 'the hash before',
        previous_secret_tag: 32_767,
        previous_secret_expires_at: '2031-01-02T03:04:05.678901Z',
        internal: true,
        expires_at: '2032-02-29T23:59:59.999999Z',
        revoked_at: '2029-12-31T00:00:00Z',
        version: '9007199254740991',
      },
      {
        secretTag: -32_768,
        previousSecretHash: 'the hash before',
        previousSecretTag: 32_767,
        previousSecretExpiresAtMs: Date.parse('2031-01-02T03:04:05.678Z'),
        internal: true,
        expiresAtMs: Date.parse('2032-02-29T23:59:59.999Z'),
        revokedAtMs: Date.parse('2029-12-31T00:00:00Z'),
        version: Number.MAX_SAFE_INTEGER,
      },
    ],
    [
      'times with fractions of a millisecond',
      { created_at: '2026-03-04T05:06:07.0009995+05:30' },
      { createdAtMs: Date.parse('2026-03-04T05:06:07.001+05:30') }, // Postgres rounds to microseconds
    ],
    [
      'times before 1970, which are rounded down too',
      { created_at: '1969-12-31T23:59:59.9985Z', expires_at: '0044-03-15T00:00:00Z' },
      { createdAtMs: -2, expiresAtMs: Date.parse('0044-03-15T00:00:00Z') },
    ],
    [
      'the latest time that a Date can hold',
      { expires_at: '275760-09-13T00:00:00Z' },
      { expiresAtMs: 8.64e15 },
    ],
    [
      'texts beyond ASCII',
      { description: 'Schlüssel 鍵 🔑 "\\\n', created_by: 'юзер', organization_id: 'été' },
      { description: 'Schlüssel 鍵 🔑 "\\\n', createdBy: 'юзер', organizationId: 'été' },
    ],
    [
      'empty texts',
      { description: '', created_by: '', secret_hash: '', previous_secret_hash: '' },
      { description: '', createdBy: '', secretHash: '', previousSecretHash: '' },
    ],
    ['no assignments', { role_assignments: '{}' }, { roleAssignments: {} }],
    [
      'assignments with unknown fields',
      { role_assignments: '{"new": 1, "platform": [{"x": 2, "role_id": "r"}]}' },
      { roleAssignments: { platform: [{ role_id: 'r' }] } },
    ],
    [
      'assignments without fields that have a default',
      { role_assignments: '{"project":{"observability":[{"role_id":"r"}]}}' },
      { roleAssignments: { project: { observability: [{ role_id: 'r', all: false }] } } },
    ],
  ])('with %s becomes the same record in both services', async (_name, columns, fields) => {
    const id = await insert(columns);
    const expected = { ...minimal, id, ...fields };
    expect(await readAsControlPlane(id)).toEqual(expected);
    expect((await store.get({ id, digest: '' }))?.record).toEqual(expected);
  });

  it.each<[string, Record<string, unknown>, string]>([
    [
      'a previous secret that never expires',
      { previous_secret_expires_at: 'infinity' },
      'previous_secret_expires_at',
    ],
    ['an infinite expiry', { expires_at: 'infinity' }, 'expires_at'],
    ['an infinitely early creation', { created_at: '-infinity' }, 'created_at'],
    ['a time that no Date can hold', { revoked_at: '290000-01-01T00:00:00Z' }, 'revoked_at'],
    ['a negative version', { version: -1 }, 'version'],
    ['a version too large to be exact', { version: '9007199254740993' }, 'version'],
    ['assignments that are null', { role_assignments: 'null' }, 'role_assignments'],
    [
      'an assignment of the wrong type',
      { role_assignments: '{"platform": [{"role_id": "r"}, {"role_id": 7}]}' },
      'role_assignments.platform.1.role_id',
    ],
    ['two broken columns', { expires_at: 'infinity', version: -1 }, 'expires_at'],
  ])('with %s is quarantined in both services, by its column', async (_name, columns, field) => {
    const id = await insert(columns);
    for (const read of [() => store.get({ id, digest: '' }), () => readAsControlPlane(id)]) {
      const error = await read().catch((error: unknown) => error);
      expect(error).toBeInstanceOf(QuarantinedKeyError);
      expect(error).toMatchObject({ keyId: id, field });
    }
  });
});

describe('PostgresKeyStore', () => {
  it('quarantines every key that has the same broken assignments', async () => {
    const broken = { role_assignments: '{"project": 5}' };
    for (const id of [await insert(broken), await insert(broken)]) {
      await expect(store.get({ id, digest: '' })).rejects.toBeInstanceOf(QuarantinedKeyError);
    }
  });

  it('shares equal assignments between the keys of an organization', async () => {
    const [one, two] = [await insert({}), await insert({})];
    const assignments = async (id: string) => (await store.get({ id, digest: '' }))?.record.roleAssignments;
    expect(await assignments(one)).toBe(await assignments(two));
  });

  it('finds no key and no version for an id that does not exist', async () => {
    expect(await store.get({ id: newCredential().id, digest: '' })).toBeUndefined();
    expect(await store.currentVersion(newCredential().id)).toBeUndefined();
  });
});

describe('lookups of one turn of the event loop', () => {
  it('each get their own row, in batches, whatever the ids', async () => {
    const odd = ['"', '\\', '\\"', '{}', 'a,b', 'NULL', "'", ' ', '鍵🔑'].map(
      (id) => `${id}${newCredential().id}`,
    );
    const plain = Array.from({ length: 120 }, () => newCredential().id);
    for (const id of [...odd, ...plain]) await insert({ id, description: `of ${id}` });
    const unknown = newCredential().id;
    const ids = [...plain, unknown, ...odd, ...plain.slice(0, 2)];
    const loaded = await Promise.all(ids.map((id) => store.get({ id, digest: '' })));
    expect(loaded.map((one) => one?.record.description)).toEqual(
      ids.map((id) => (id === unknown ? undefined : `of ${id}`)),
    );
  });

  it('fail one by one if a row does not parse', async () => {
    const [broken, good] = [await insert({ role_assignments: '{"project": 1}' }), await insert({})];
    const [first, second] = await Promise.allSettled(
      [broken, good].map((id) => store.get({ id, digest: '' })),
    );
    expect(first).toMatchObject({ status: 'rejected', reason: expect.any(QuarantinedKeyError) });
    expect(second).toMatchObject({ status: 'fulfilled', value: { record: { id: good } } });
  });
});
