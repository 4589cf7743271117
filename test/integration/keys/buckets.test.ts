import { afterAll, beforeAll, expect, it } from 'vitest';
import { keyBucket, roleBucket } from '../../../src/keys/buckets.ts';
import type { RoleScope } from '../../../src/keys/role-store.ts';
import { newCredential } from '../../support/keys.ts';
import { createPrimary, type TestPrimary } from '../../support/primary.ts';

let primary: TestPrimary;
beforeAll(async () => {
  primary = await createPrimary();
});
afterAll(() => primary?.close());

const ODD = ['', "o'rg", "''", 'back\\slash', "\\'", 'ümlaut 😀', 'NULL', 'E', ' '];

it('computes the bucket of a key like the database', async () => {
  const ids = [...ODD, ...Array.from({ length: 500 }, () => newCredential().id)];
  const { rows } = await primary.pool.query(
    'SELECT key_bucket(id) AS bucket FROM unnest($1::text[]) WITH ORDINALITY AS given (id, place) ORDER BY place',
    [ids],
  );
  expect(ids.map(keyBucket)).toEqual(rows.map(({ bucket }) => bucket));
});

it('computes the bucket of the roles of a scope like the database', async () => {
  const scopes = ODD.flatMap((organizationId) =>
    ODD.map((projectId): RoleScope => ({ organizationId, projectType: 'security', projectId })),
  );
  const { rows } = await primary.pool.query(
    `SELECT role_bucket(organization, 'security', project) AS bucket
     FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS given (organization, project, place) ORDER BY place`,
    [scopes.map(({ organizationId }) => organizationId), scopes.map(({ projectId }) => projectId)],
  );
  expect(scopes.map(roleBucket)).toEqual(rows.map(({ bucket }) => bucket));
});
