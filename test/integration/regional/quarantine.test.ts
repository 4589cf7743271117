import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { type IssuedKey, insertKey, newCredential, projectRoles } from '../../support/keys.ts';
import { expectRefusal } from '../../support/refusal.ts';
import { authenticate, projectContext, startRegional, type TestRegional } from '../../support/regional.ts';
import { putRole } from '../../support/roles.ts';

let databases: TestDatabases;
let regional: TestRegional;
let healthy: IssuedKey;

beforeAll(async () => {
  databases = await createDatabases();
  // Lookups can be slow on a busy machine.
  regional = await startRegional(databases.replicaUrl, {
    DATABASE_CONNECT_TIMEOUT_MS: '10000',
    DATABASE_QUERY_TIMEOUT_MS: '10000',
  });
  healthy = await insertKey(databases.primary, {
    roleAssignments: projectRoles('elasticsearch', 'p1', ['viewer']),
  });
});
afterAll(async () => {
  await regional?.close();
  await databases?.close();
});

const salt = 'c29tZXNhbHQxMjM0NTY3OA';
const digest = 'A'.repeat(43);
const brokenRows: [string, { roleAssignments?: unknown; secretHash?: string }, string][] = [
  ['role_assignments that are a string', { roleAssignments: 'admin' }, 'role_assignments'],
  ['role_assignments that are a list', { roleAssignments: [] }, 'role_assignments'],
  ['projects that are a number', { roleAssignments: { project: 5 } }, 'role_assignments'],
  [
    'application roles that are no strings',
    {
      roleAssignments: { project: { elasticsearch: [{ role_id: 'x', all: true, application_roles: [7] }] } },
    },
    'role_assignments',
  ],
  ['an empty hash', { secretHash: '' }, 'secret_hash'],
  ['a hash that was cut', { secretHash: `$argon2id$v=19$m=8,t=1,p=1$${salt}$AAAA` }, 'secret_hash'],
  ['a hash of another kind', { secretHash: `$2b$12$${'A'.repeat(53)}` }, 'secret_hash'],
  [
    'a hash that asks for 4 GiB of memory',
    { secretHash: `$argon2id$v=19$m=4194304,t=1,p=1$${salt}$${digest}` },
    'secret_hash',
  ],
];

it.each(brokenRows)(
  'a key with %s is 503 and appears in the log; other keys are unaffected',
  async (_name, row, field) => {
    const broken = await insertKey(databases.primary, row);
    await databases.replicated();
    const linesBefore = regional.logLines.length;

    const responses = await Promise.all([
      authenticate(regional, broken.authorization),
      authenticate(regional, healthy.authorization, {
        contexts: [projectContext('p1', healthy.organizationId)],
      }),
      authenticate(regional, `ApiKey ${newCredential().id}`),
    ]);
    expectRefusal(responses[0], 503, '0x1A0513', [broken.credential, broken.secret]);
    expect(responses[0].body.error.resource).toBe(broken.id);
    expect(responses[1].status).toBe(200);
    expect(responses[2].status).toBe(401);

    const lines = regional.logLines.slice(linesBefore).map((line) => JSON.parse(line));
    const errors = lines.filter((line) => line['log.level'] === 'error');
    expect(errors).toHaveLength(1);
    expect(errors[0].error.message).toContain(`The row of key ${broken.id} has an invalid ${field}`);
    if (row.secretHash) expect(JSON.stringify(lines)).not.toContain(row.secretHash);
  },
);

it('the log line of a failure has the request id of the response and the ids of the caller', async () => {
  const broken = await insertKey(databases.primary, { secretHash: 'broken' });
  await databases.replicated();
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const response = await authenticate(regional, broken.authorization, {
    headers: { 'x-opaque-id': 'node-1/4711', traceparent: `00-${traceId}-b7ad6b7169203331-01` },
  });
  const line = regional.logLines.map((text) => JSON.parse(text)).find((one) => one['trace.id'] === traceId);
  expect(line).toMatchObject({
    'log.level': 'error',
    'http.request.id': response.body.request_id,
    'labels.opaque_id': 'node-1/4711',
    'error.code': '0x1A0513',
  });
});

it('a key works again after its row is repaired on the primary', async () => {
  const key = await insertKey(databases.primary, { roleAssignments: 'broken' });
  await databases.replicated();
  expect((await authenticate(regional, key.authorization)).status).toBe(503);
  await databases.primary.query(`UPDATE api_keys SET role_assignments = '{}' WHERE id = $1`, [key.id]);
  await databases.replicated();
  await expect.poll(async () => (await authenticate(regional, key.authorization)).status).toBe(200);
});

it('a broken custom role grants nothing and appears in the log; other roles of the key are unaffected', async () => {
  const key = await insertKey(databases.primary, {
    roleAssignments: projectRoles('elasticsearch', 'p1', ['viewer', 'broken']),
  });
  await putRole(databases.primary, key.organizationId, 'broken', { indices: 'all of them' });
  await databases.replicated();
  const response = await authenticate(regional, key.authorization, {
    contexts: [projectContext('p1', key.organizationId)],
  });
  expect(response.status).toBe(200);
  expect(response.body.contexts[0]).toMatchObject({
    application_roles: ['viewer'],
    unresolved_application_roles: ['broken'],
  });
  expect(regional.logLines.join('')).toMatch(/"name":"broken".*does not parse/);
});
