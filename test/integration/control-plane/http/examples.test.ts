import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  CLIENT_SECRET,
  callApi,
  newOrganization,
  OWNER_ASSIGNMENTS,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import { type IssuedKey, insertKey, projectRoles } from '../../../support/keys.ts';

interface Operation {
  operationId: string;
  requestBody?: { content: { 'application/json': { example: unknown } } };
}

const file = new URL('../../../../docs/openapi/control-plane.json', import.meta.url);
const { paths } = JSON.parse(await readFile(file, 'utf8')) as {
  paths: Record<string, Record<string, Operation>>;
};
const withBody = Object.entries(paths).flatMap(([path, operations]) =>
  Object.entries(operations).flatMap(([method, { operationId, requestBody }]) =>
    requestBody === undefined
      ? []
      : [[operationId, method, path, requestBody.content['application/json'].example] as const],
  ),
);

/** Refusals that no reader can avoid: the ids in an example do not exist in the reader's organization. */
const EXPECTED_REFUSALS: Record<string, string> = { revokeApiKeys: 'api_keys.key_not_found' };

let controlPlane: TestControlPlane;
let owner: IssuedKey;
let ordinary: IssuedKey;
beforeAll(async () => {
  controlPlane = await startTestControlPlane();
  const { pool } = controlPlane.primary;
  owner = await newOrganization(pool);
  ordinary = await insertKey(pool, {
    organizationId: owner.organizationId,
    roleAssignments: { ...OWNER_ASSIGNMENTS, ...projectRoles('elasticsearch', 'my-project', ['viewer']) },
  });
});
afterAll(() => controlPlane?.close());

it('every operation with a body is tested', () => {
  expect(withBody.map(([operationId]) => operationId)).toContain('createApiKey');
});

it.each(withBody)('the example request of %s is accepted', async (operationId, method, path, body) => {
  const values: Record<string, string> = {
    id: ordinary.id,
    project_type: 'elasticsearch',
    project_id: 'my-project',
    name: operationId,
  };
  const url = path.replace(/\{(\w+)\}/g, (_placeholder, name: string) => values[name] ?? name);
  // The permissions of a granted key are those of its caller on projects, and an owner key has none.
  const { authorization } = operationId === 'grantApiKey' ? ordinary : owner;
  const headers = operationId === 'convertApiKeys' ? { 'x-client-authentication': CLIENT_SECRET } : {};
  const response = await callApi(controlPlane, method.toUpperCase(), url, authorization, { body, headers });
  const refusal = EXPECTED_REFUSALS[operationId];
  if (refusal === undefined)
    expect([response.status, response.body]).toEqual([expect.toBeOneOf([200, 201]), response.body]);
  else expect(response.body.errors[0].code).toBe(refusal);
});
