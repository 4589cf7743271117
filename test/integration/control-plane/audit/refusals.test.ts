import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  auditOf,
  CLIENT_SECRET,
  callApi,
  newOrganization,
  OWNER_ASSIGNMENTS,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import { type IssuedKey, insertKey } from '../../../support/keys.ts';

const KEYS = '/api/v1/users/auth/keys';
const UIAM_KEYS = '/uiam/api/v1/api-keys';

let controlPlane: TestControlPlane;
beforeAll(async () => {
  controlPlane = await startTestControlPlane({
    CONVERT_ALLOWED_HOSTS: 'http://127.0.0.1:1=org-of-endpoint/elasticsearch/p',
  });
});
afterAll(() => controlPlane?.close());

async function organizationWithViewer(): Promise<{ owner: IssuedKey; viewer: IssuedKey }> {
  const owner = await newOrganization(controlPlane.primary.pool);
  const viewer = await insertKey(controlPlane.primary.pool, { organizationId: owner.organizationId });
  return { owner, viewer };
}

async function lastEvent(organizationId: string) {
  return (await auditOf(controlPlane.primary.pool, organizationId)).at(-1);
}

describe('a refused attempt of a known key is an event', () => {
  it('with a body that is not JSON', async () => {
    const { owner } = await organizationWithViewer();
    await callApi(controlPlane, 'POST', KEYS, owner.authorization, { rawBody: '{' });
    expect(await lastEvent(owner.organizationId)).toMatchObject({
      actor_id: owner.id,
      action: 'api_key.create',
      outcome: 'failure',
      reason: 'root.invalid_body',
    });
  });

  it.each([
    ['GET', KEYS, 'api_key.list', null],
    ['GET', `${KEYS}/OWNER`, 'api_key.get', 'OWNER'],
    ['GET', '/api/v1/audit', 'audit.read', null],
    ['GET', '/api/v1/projects/security/p/roles', 'role.list', 'security/p'],
    ['GET', '/api/v1/projects/security/p/roles/r', 'role.get', 'security/p/r'],
  ])('that may not read: %s %s', async (method, path, action, target) => {
    const { owner, viewer } = await organizationWithViewer();
    const { status } = await callApi(
      controlPlane,
      method,
      path.replace('OWNER', owner.id),
      viewer.authorization,
    );
    expect(status).toBe(403);
    expect(await lastEvent(owner.organizationId)).toMatchObject({
      actor_id: viewer.id,
      action,
      outcome: 'failure',
      target_id: target === 'OWNER' ? owner.id : target,
      reason: 'root.permission_denied',
    });
  });

  it('that lists keys and is revoked', async () => {
    const owner = await newOrganization(controlPlane.primary.pool);
    const revoked = await insertKey(controlPlane.primary.pool, {
      organizationId: owner.organizationId,
      roleAssignments: OWNER_ASSIGNMENTS,
      revokedAt: new Date(),
    });
    expect((await callApi(controlPlane, 'GET', KEYS, revoked.authorization)).status).toBe(401);
    expect(await lastEvent(owner.organizationId)).toMatchObject({
      actor_id: revoked.id,
      action: 'api_key.list',
      reason: 'root.unauthenticated',
    });
  });

  it('that revokes another key through the call for itself', async () => {
    const { owner, viewer } = await organizationWithViewer();
    const { status } = await callApi(
      controlPlane,
      'DELETE',
      `${UIAM_KEYS}/${owner.id}`,
      viewer.authorization,
    );
    expect(status).toBe(403);
    expect(await lastEvent(owner.organizationId)).toMatchObject({
      actor_id: viewer.id,
      action: 'api_key.revoke',
      target_id: owner.id,
      outcome: 'failure',
    });
  });

  it('that revokes itself without its client authentication', async () => {
    const { owner } = await organizationWithViewer();
    const internal = await insertKey(controlPlane.primary.pool, {
      organizationId: owner.organizationId,
      internal: true,
    });
    await callApi(controlPlane, 'DELETE', `${UIAM_KEYS}/${internal.id}`, internal.authorization);
    expect(await lastEvent(owner.organizationId)).toMatchObject({
      actor_id: internal.id,
      action: 'api_key.revoke',
      target_id: internal.id,
      reason: 'root.unauthenticated',
    });
  });

  it('with what was requested, and the targets of a bulk call can be searched', async () => {
    const owner = await newOrganization(controlPlane.primary.pool);
    const keys = ['unknown-1', 'unknown-2'];
    await callApi(controlPlane, 'DELETE', KEYS, owner.authorization, { body: { keys } });
    expect(await lastEvent(owner.organizationId)).toMatchObject({
      action: 'api_key.revoke',
      requested: { keys },
      reason: 'api_keys.key_not_found',
    });
    const { body } = await callApi(
      controlPlane,
      'GET',
      '/api/v1/audit?target_id=unknown-2',
      owner.authorization,
    );
    expect(body.events).toMatchObject([{ requested: { keys }, count: 1 }]);
  });
});

describe('an item of _convert that fails is an event', () => {
  it('of the organization of its endpoint, with the id of the native key and without its secret', async () => {
    const secret = 'ui2lp2axTNmsyakw9tvNnw';
    const key = Buffer.from(`VuaCfGcBCdbkQm-e5aOx:${secret}`).toString('base64');
    const { body } = await callApi(controlPlane, 'POST', `${UIAM_KEYS}/_convert`, undefined, {
      body: { keys: [{ type: 'elasticsearch', key, endpoint: 'http://127.0.0.1:1' }] },
      headers: { 'x-client-authentication': CLIENT_SECRET },
    });
    expect(body.results).toMatchObject([{ status: 'failed' }]);
    const event = await lastEvent('org-of-endpoint');
    expect(event).toMatchObject({
      actor_type: 'client',
      action: 'api_key.convert',
      outcome: 'failure',
      target_id: 'VuaCfGcBCdbkQm-e5aOx',
      reason: body.results[0].code,
      requested: { endpoint: 'http://127.0.0.1:1' },
    });
    expect(JSON.stringify(event)).not.toContain(secret);
  });

  it('also for an endpoint that is not on the allow list', async () => {
    await callApi(controlPlane, 'POST', `${UIAM_KEYS}/_convert`, undefined, {
      body: { keys: [{ type: 'elasticsearch', key: 'eA==', endpoint: 'http://elsewhere.example' }] },
      headers: { 'x-client-authentication': CLIENT_SECRET },
    });
    const { rows } = await controlPlane.primary.pool.query(
      `SELECT reason FROM audit_events WHERE requested->>'endpoint' = 'http://elsewhere.example'`,
    );
    expect(rows).toEqual([{ reason: '0x1A2400' }]);
  });
});

it('adds at most 20 rows at once for 500 different refusals of one key, and one row for equal ones', async () => {
  const { owner, viewer } = await organizationWithViewer();
  await Promise.all(
    Array.from({ length: 50 }, () => callApi(controlPlane, 'GET', KEYS, viewer.authorization)),
  );
  expect(await auditOf(controlPlane.primary.pool, owner.organizationId)).toHaveLength(1);
  for (let batch = 0; batch < 10; batch += 1) {
    await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        callApi(controlPlane, 'DELETE', `${KEYS}/key-${batch}-${index}`, viewer.authorization),
      ),
    );
  }
  expect(await auditOf(controlPlane.primary.pool, owner.organizationId)).toHaveLength(21);
});

it('finds a target among many others, and does not take one from the body of a request', async () => {
  const stopping = await startTestControlPlane({}, controlPlane.primary);
  const { owner, viewer } = await organizationWithViewer();
  const call = (method: string, path: string, body?: unknown) =>
    callApi(stopping, method, `/api/v1${path}`, viewer.authorization, { body });
  for (let at = 0; at < 40; at += 1) await call('DELETE', `/users/auth/keys/junk-${at}`);
  await call('DELETE', `/users/auth/keys/${owner.id}`);
  const forged = { targets: ['forged'], keys: ['forged'] };
  expect((await call('PUT', '/projects/elasticsearch/p/roles/r', forged)).status).toBe(403);
  await stopping.close();
  const events = async (id: string) =>
    (await callApi(controlPlane, 'GET', `/api/v1/audit?target_id=${id}`, owner.authorization)).body.events;
  expect(await events(owner.id)).toMatchObject([{ count: 21, target: { id: null }, targets_omitted: 0 }]);
  expect(await events('forged')).toEqual([]);
});

it('writes the count of further refusals when the control plane stops', async () => {
  const stopping = await startTestControlPlane({}, controlPlane.primary);
  const { owner, viewer } = await organizationWithViewer();
  for (let count = 0; count < 3; count += 1) await callApi(stopping, 'GET', KEYS, viewer.authorization);
  await stopping.close();
  const events = await auditOf(controlPlane.primary.pool, owner.organizationId);
  expect(events.map(({ count }) => count)).toEqual([1, 2]);
});

it('refuses a time or an id that the login of the control plane chooses', async () => {
  const client = new pg.Client({ connectionString: controlPlane.primary.controlPlaneUrl });
  await client.connect();
  try {
    const insert = (columns: string, values: string) =>
      client.query(
        `INSERT INTO audit_events (actor_type, actor_id, action, outcome${columns}) VALUES ('key', 'x', 'api_key.get', 'failure'${values})`,
      );
    await insert('', '');
    await expect(insert(', at', ", '2020-01-01'")).rejects.toThrow('permission denied');
    await expect(insert(', id', ', 1')).rejects.toThrow('non-DEFAULT value');
  } finally {
    await client.end();
  }
});
