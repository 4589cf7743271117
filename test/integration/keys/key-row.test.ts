import { afterAll, beforeAll, expect, it } from 'vitest';
import { type DescribedKeyRecord, QuarantinedKeyError } from '../../../src/keys/key-record.ts';
import { DESCRIBED_KEY_COLUMNS, parseDescribedKeyRow } from '../../../src/keys/key-row.ts';
import { PostgresKeyStore } from '../../../src/keys/postgres-key-store.ts';
import { Replica } from '../../../src/keys/replica.ts';
import { roleAssignmentsSchema } from '../../../src/roles/role-assignments.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { newCredential, projectRoles } from '../../support/keys.ts';

let databases: TestDatabases;
let store: PostgresKeyStore;

beforeAll(async () => {
  databases = await createDatabases();
  // The region is written directly, also with what the primary would never send.
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

/** The row as the control plane reads it. */
async function describedKey(id: string): Promise<DescribedKeyRecord> {
  const { rows } = await databases.region.query(
    `SELECT ${DESCRIBED_KEY_COLUMNS} FROM api_keys WHERE id = $1`,
    [id],
  );
  return parseDescribedKeyRow(rows[0]);
}

/** The row as node-postgres' own type parsers read it, without our parser. */
async function nativeRow(id: string): Promise<Record<string, unknown>> {
  const { rows } = await databases.region.query('SELECT * FROM api_keys WHERE id = $1', [id]);
  return rows[0];
}

const toMs = (date: unknown) => (date as Date | null)?.getTime() ?? null;

const asError = (error: unknown) => error;

it.each<[string, Record<string, unknown>]>([
  ['nothing but what it must have', {}],
  [
    'everything it can have',
    {
      previous_secret_hash: 'the hash before',
      previous_secret_expires_at: '2031-01-02T03:04:05.678901Z',
      internal: true,
      expires_at: '2032-02-29T23:59:59.999999Z',
      revoked_at: '2029-12-31T00:00:00Z',
      version: '9007199254740991',
    },
  ],
  ['times with fractions of a millisecond', { created_at: '2026-03-04T05:06:07.0009995+05:30' }],
  ['times before 1970', { created_at: '1969-12-31T23:59:59.9985Z', expires_at: '0044-03-15T00:00:00Z' }],
  ['a time as late as a Date can hold', { expires_at: '275760-09-13T00:00:00Z' }],
  [
    'texts beyond ASCII',
    { description: 'Schlüssel 鍵 🔑 "\\\n', created_by: 'юзер', organization_id: 'été' },
  ],
  ['empty texts', { description: '', created_by: '' }],
  ['no assignments', { role_assignments: '{}' }],
  [
    'assignments with fields nobody knows',
    { role_assignments: '{"new": 1, "platform": [{"x": 2, "role_id": "r"}]}' },
  ],
  [
    'assignments with defaults left out',
    { role_assignments: '{"project":{"observability":[{"role_id":"r"}]}}' },
  ],
])('reads a row with %s exactly, for an authentication and for the control plane', async (_name, columns) => {
  const id = await insert(columns);
  const native = await nativeRow(id);
  const described = await describedKey(id);
  expect(described).toMatchObject({
    id,
    organizationId: native.organization_id,
    description: native.description,
    secretHash: native.secret_hash,
    previousSecretHash: native.previous_secret_hash,
    previousSecretExpiresAtMs: toMs(native.previous_secret_expires_at),
    roleAssignments: roleAssignmentsSchema.parse(native.role_assignments),
    internal: native.internal,
    createdBy: native.created_by,
    createdAtMs: toMs(native.created_at),
    expiresAtMs: toMs(native.expires_at),
    revokedAtMs: toMs(native.revoked_at),
    version: Number(native.version),
  });
  const { description: _, ...record } = described;
  expect((await store.get({ id, digest: '' }))?.record).toEqual(record);
});

it.each<[string, Record<string, unknown>, string]>([
  ['an expiry at the end of time', { expires_at: 'infinity' }, 'expires_at'],
  ['a creation before all time', { created_at: '-infinity' }, 'created_at'],
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
])('quarantines a row with %s and names its column', async (_name, columns, field) => {
  const id = await insert(columns);
  for (const error of [
    await store.get({ id, digest: '' }).catch(asError),
    await describedKey(id).catch(asError),
  ]) {
    expect(error).toBeInstanceOf(QuarantinedKeyError);
    expect(error).toMatchObject({ keyId: id, field });
  }
});

it('quarantines every key with the same invalid assignments', async () => {
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

it('returns undefined for an id that does not exist', async () => {
  expect(await store.get({ id: newCredential().id, digest: '' })).toBeUndefined();
  expect(await store.currentVersion(newCredential().id)).toBeUndefined();
});
