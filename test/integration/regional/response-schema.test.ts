import { afterAll, beforeAll, expect, test } from 'vitest';
import { responseSchema } from '../../../src/regional/authentication-schema.ts';
import { insertKey, projectRoles } from '../../support/keys.ts';
import { authenticate, projectContext, startRegional, type TestRegional } from '../../support/regional.ts';
import { createWorld, type World } from '../../support/world.ts';

let world: World;
let regional: TestRegional;
beforeAll(async () => {
  world = await createWorld();
  regional = await startRegional(world.replicaUrl);
});
afterAll(async () => {
  await regional?.close();
  await world?.close();
});

test('every form of answer of the region is what its reference describes', async () => {
  const key = await insertKey(world.primary, {
    roleAssignments: projectRoles('elasticsearch', 'shop', ['viewer', 'gone']),
    expiresAt: new Date(Date.now() + 60_000),
  });
  await world.replicated();
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
