import fc from 'fast-check';
import { expect } from 'vitest';
import { hashBounds, parsePhc } from '../../src/credential/phc.ts';
import { Interner } from '../../src/keys/cache/interner.ts';
import { QuarantinedKeyError } from '../../src/keys/key-record.ts';
import { KEY_COLUMNS, parseAssignments, parseKeyRow } from '../../src/keys/key-row.ts';
import { PostgresRoleStore } from '../../src/keys/postgres-role-store.ts';
import type { Replica } from '../../src/keys/replica.ts';
import { type RoleScope, roleScopeId } from '../../src/keys/role-store.ts';
import { readRoleDescriptor } from '../../src/roles/role-descriptor.ts';
import { fuzz } from './support/fuzz.ts';
import { hostileText, mutated, mutatedJson } from './support/inputs.ts';

const ID = 'requested';
const COLUMNS = [...KEY_COLUMNS.matchAll(/ AS (\w+)/g)].map(([, name = '']) => name);
const PHC =
  '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$h4LQ3pHk0lJYqQ4Cw0gWbqyVtO5wqK0hmx0oV8b7l1M';
const phc = mutated(
  fc
    .tuple(fc.nat(300_000), fc.nat(20), fc.nat(20), fc.uint8Array({ minLength: 8, maxLength: 32 }))
    .map(([m, t, p, salt]) =>
      PHC.replace('m=19456,t=2,p=1', `m=${m},t=${t},p=${p}`).replace(
        'c2FsdHNhbHRzYWx0c2FsdA',
        unpadded(salt),
      ),
    ),
);

function unpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replaceAll('=', '');
}

fuzz(
  'reads only hashes that it writes the same way, within the bounds of their cost',
  phc,
  (text) => {
    const parsed = parsePhc(text);
    if (!parsed.ok) {
      expect(parsed.problem.length).toBeLessThan(100);
      return 'refused';
    }
    const { parameters, salt, digest } = parsed;
    for (const name of ['memoryKiB', 'timeCost', 'parallelism'] as const) {
      expect(parameters[name]).toBeGreaterThanOrEqual(hashBounds[name].min);
      expect(parameters[name]).toBeLessThanOrEqual(hashBounds[name].max);
    }
    const [, costs = ''] = /\$v=19\$([^$]*)\$/.exec(text) ?? [];
    const { memoryKiB: m, timeCost: t, parallelism: p } = parameters;
    expect(costs.split(',').sort()).toEqual([`m=${m}`, `p=${p}`, `t=${t}`]);
    expect(text).toBe(`$argon2id$v=19$${costs}$${unpadded(salt)}$${unpadded(digest)}`);
    return 'accepted';
  },
  { accepted: 0.02, refused: 0.2 },
);

const assignments = mutatedJson(
  fc.constantFrom<unknown>(
    {},
    { organization: [{ role_id: 'organization-admin' }] },
    { project: { security: [{ role_id: 'r', all: true, application_roles: ['viewer'] }] } },
    { project: { elasticsearch: [{ role_id: 'r', project_ids: ['p'] }] }, deployment: [{ role_id: 'd' }] },
  ),
  ['platform', 'organization', 'deployment', 'project', 'role_id', 'application_roles', 'all', 'project_ids'],
);
const time = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 2_000_000_000_000 }).map(String) },
  { weight: 1, arbitrary: fc.constantFrom('Infinity', '-Infinity', '8640000000000001', '-62167219200000') },
);
const timeOrNull = fc.option(time);
const tag = fc.option(fc.integer({ min: -0x8000, max: 0x7fff }).map(String));
const BY_COLUMN: Record<string, fc.Arbitrary<string | null>> = {
  id: fc.constant(ID),
  organization_id: fc.constantFrom('org', 'other', ''),
  secret_hash: fc.constant(PHC),
  secret_tag: tag,
  previous_secret_hash: fc.option(fc.constant(PHC)),
  previous_secret_tag: tag,
  previous_secret_expires_at: timeOrNull,
  role_assignments: assignments,
  internal: fc.constantFrom('true', 'false'),
  created_by: fc.constant('user'),
  description: hostileText,
  created_at: time,
  expires_at: timeOrNull,
  revoked_at: timeOrNull,
  version: fc.oneof(fc.nat().map(String), fc.constantFrom('0', '9007199254740991')),
};
const validRow = fc.tuple(...COLUMNS.map((name) => BY_COLUMN[name] ?? fc.constant(null)));
const row = fc
  .tuple(
    validRow,
    fc.array(
      fc.tuple(fc.nat(COLUMNS.length), fc.oneof(hostileText, fc.constant(null), fc.constant('other-key'))),
      {
        maxLength: 2,
      },
    ),
  )
  .map(([valid, changes]) => {
    const changed = [...valid];
    // One beyond the end: a column that the row does not have.
    for (const [at, value] of changes)
      if (at === COLUMNS.length) changed.pop();
      else changed[at] = value;
    return changed;
  });

const interner = new Interner(1_000);
const toAssignments = (organizationId: string, json: string) =>
  interner.storedAssignments(organizationId, json, parseAssignments);

fuzz(
  'reads the row of the requested key exactly, or quarantines only that key',
  row,
  (texts) => {
    const column = (name: string) => texts[COLUMNS.indexOf(name)] ?? null;
    let record: ReturnType<typeof parseKeyRow>;
    try {
      record = parseKeyRow(ID, texts, toAssignments);
    } catch (error) {
      expect(error).toBeInstanceOf(QuarantinedKeyError);
      const quarantined = error as QuarantinedKeyError;
      expect(quarantined.keyId).toBe(ID);
      expect(COLUMNS).toContain(quarantined.column);
      return 'quarantined';
    }
    expect(record.id).toBe(ID);
    expect(column('id')).toBe(ID);
    const numbers = {
      secret_tag: record.secretTag,
      previous_secret_tag: record.previousSecretTag,
      previous_secret_expires_at: record.previousSecretExpiresAtMs,
      created_at: record.createdAtMs,
      expires_at: record.expiresAtMs,
      revoked_at: record.revokedAtMs,
      version: record.version,
    };
    for (const [name, value] of Object.entries(numbers)) {
      if (value === null) expect(column(name), name).toBeNull();
      else expect(String(BigInt(column(name) ?? '')), name).toBe(String(value));
      if (value !== null && /_at$/.test(name)) expect(new Date(value).getTime()).toBe(value);
    }
    expect(record).toMatchObject({
      organizationId: column('organization_id'),
      secretHash: column('secret_hash'),
      internal: column('internal') === 'true',
      description: column('description'),
    });
    expect(parseAssignments(JSON.stringify(record.roleAssignments))).toEqual(record.roleAssignments);
    return 'read';
  },
  { read: 0.15, quarantined: 0.2 },
);

const SCOPES: RoleScope[] = ['shop', 'soc', '__proto__', '\ufffd'].map((projectId) => ({
  organizationId: 'org',
  projectType: 'security',
  projectId,
}));
const deep = fc
  .integer({ min: 1, max: 30_000 })
  .map((depth) => `{"metadata":{"a":${'['.repeat(depth)}${']'.repeat(depth)}}}`);
const descriptor = fc.oneof(
  {
    weight: 200,
    arbitrary: mutatedJson(
      fc.constantFrom<unknown>(
        {},
        { cluster: ['all'], metadata: { a: '💥' } },
        { indices: [{ names: ['*'], privileges: ['read'], field_security: { grant: ['a'] } }] },
        { applications: [{ application: 'a', privileges: ['b'], resources: ['*'] }], description: 'x' },
      ),
      ['cluster', 'indices', 'names', 'privileges', 'metadata', 'run_as', 'description'],
    ),
  },
  { weight: 1, arbitrary: deep },
);
const roleRows = fc.array(
  fc.record({
    scope: fc.nat(SCOPES.length - 1),
    name: fc.oneof(fc.constantFrom('viewer', 'a', 'b'), hostileText),
    descriptor,
  }),
  { maxLength: 4 },
);

fuzz(
  'leaves out a role whose row cannot be read, and no other',
  roleRows,
  async (stored) => {
    const rows = stored.map(({ scope, name, descriptor }) => ({
      place: scope + 1,
      name,
      bytes: descriptor.length,
      descriptor,
    }));
    const invalid: string[] = [];
    const replica = { query: async () => rows } as unknown as Replica;
    const store = new PostgresRoleStore(
      replica,
      () => 0,
      (role) => invalid.push(roleScopeId(role) + role.name),
    );
    const loaded = await Promise.all(SCOPES.map((scope) => store.get(scope)));
    for (const [at, scope] of SCOPES.entries()) {
      const own = rows.filter(({ place }) => place === at + 1);
      for (const [name, json] of loaded[at]?.roles ?? []) {
        const found = own.filter((each) => each.name === name);
        expect(found.map(({ descriptor }) => readRoleDescriptor(JSON.parse(descriptor)))).toContainEqual(
          JSON.parse(json),
        );
      }
      for (const { name } of own)
        expect(loaded[at]?.roles.has(name) || invalid.includes(roleScopeId(scope) + name)).toBe(true);
    }
    return invalid.length > 0 ? 'left out' : 'complete';
  },
  { complete: 0.1, 'left out': 0.1 },
);
