import { afterAll, beforeAll, expect, it } from 'vitest';
import { responseSchema } from '../../../src/regional/authentication-schema.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { insertKey, projectRoles } from '../../support/keys.ts';
import { authenticate, projectContext, startRegional, type TestRegional } from '../../support/regional.ts';

let databases: TestDatabases;
let regional: TestRegional;
beforeAll(async () => {
  databases = await createDatabases();
  regional = await startRegional(databases.replicaUrl);
});
afterAll(async () => {
  await regional?.close();
  await databases?.close();
});

it('every form of response matches the schema of the API reference', async () => {
  const key = await insertKey(databases.primary, {
    roleAssignments: projectRoles('elasticsearch', 'shop', ['viewer', 'gone']),
    expiresAt: new Date(Date.now() + 60_000),
  });
  await databases.replicated();
  const shop = projectContext('shop', key.organizationId);
  const other = projectContext('other', key.organizationId);
  for (const options of [
    {},
    { contexts: [shop, other] },
    { contexts: [shop], query: '?include_role_assignments=true&include_role_descriptors=false' },
  ]) {
    const { status, body } = await authenticate(regional, key.authorization, options);
    expect(status).toBe(200);
    expect(responseSchema.safeParse(body).error?.issues).toBeUndefined();
  }
});
