import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  CLIENT_SECRET,
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import { type IssuedKey, insertKey, projectRoles } from '../../../support/keys.ts';

const KEYS = '/api/v1/users/auth/keys';
const UIAM = '/uiam/api/v1';
const ROLES = '/api/v1/projects/elasticsearch/shop';
const LIMIT = '{"limit":{"access":["application"],"resource":["project"]}}';
const trusted = { 'x-client-authentication': CLIENT_SECRET };

let controlPlane: TestControlPlane;
let owner: IssuedKey;
let viewer: IssuedKey;
beforeAll(async () => {
  controlPlane = await startTestControlPlane();
  owner = await newOrganization(controlPlane.primary.pool);
  viewer = await insertKey(controlPlane.primary.pool, {
    organizationId: owner.organizationId,
    roleAssignments: projectRoles('elasticsearch', 'shop', ['viewer']),
  });
});
afterAll(() => controlPlane?.close());

it.each([
  ['POST', KEYS, '{"description":"x","expiration":"1h","expiration":"never"}'],
  [
    'POST',
    KEYS,
    '{"description":"x","role_assignments":{"organization":[],"organization":[{"role_id":"organization-admin"}]}}',
  ],
  ['POST', `${KEYS}/VIEWER/_rotate`, '{"grace_period":"0","grace_period":"30d"}'],
  ['DELETE', KEYS, '{"keys":["unknown"],"keys":["VIEWER"]}'],
  ['PUT', `${ROLES}/roles/any`, '{"cluster":[],"cluster":["all"]}'],
  ['PUT', `${ROLES}/_security/role/any`, '{"cluster":[],"cluster":["all"]}'],
])('refuses a repeated key with %s %s: %s', async (method, path, body) => {
  const rawBody = body.replace('VIEWER', viewer.id);
  const response = await callApi(
    controlPlane,
    method,
    path.replace('VIEWER', viewer.id),
    owner.authorization,
    { rawBody },
  );
  expect(response.status).toBe(400);
  expect(JSON.stringify(response.body)).toMatch(/occurs twice/);
});

it.each([
  [
    'POST',
    `${UIAM}/api-keys/_grant`,
    `{"description":"x","internal":true,"internal":false,"role_assignments":${LIMIT}}`,
  ],
  [
    'POST',
    `${UIAM}/api-keys/_convert`,
    '{"keys":[],"keys":[{"type":"elasticsearch","key":"x","endpoint":"x"}]}',
  ],
  ['DELETE', `${UIAM}/api-keys/VIEWER`, '{"a":1,"a":2}'],
])('refuses a repeated key with %s %s: %s', async (method, path, rawBody) => {
  const response = await callApi(
    controlPlane,
    method,
    path.replace('VIEWER', viewer.id),
    viewer.authorization,
    { rawBody, headers: path.endsWith('_convert') ? trusted : {} },
  );
  expect([response.status, response.body.error.code]).toEqual([400, '0x1A0400']);
  expect(response.body.error.message).toMatch(/occurs twice/);
});
