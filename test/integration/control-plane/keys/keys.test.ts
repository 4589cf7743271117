import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  auditOf,
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import { type IssuedKey, insertKey, projectRoles } from '../../../support/keys.ts';

const KEYS = '/api/v1/users/auth/keys';
const DAY_MS = 86_400_000;

let controlPlane: TestControlPlane;
let owner: IssuedKey;
beforeAll(async () => {
  controlPlane = await startTestControlPlane();
});
afterAll(() => controlPlane?.close());

const api = (
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
  as = owner,
) => callApi(controlPlane, method, path, as.authorization, { body, headers });
const create = async (body: object = {}, as = owner) => {
  const response = await api('POST', KEYS, { description: 'made', ...body }, {}, as);
  expect(response.status).toBe(201);
  return response.body;
};
const signIn = (credential: string) =>
  callApi(controlPlane, 'GET', `${KEYS}/any`, `ApiKey ${credential}`).then((response) => response.status);

describe('creation', () => {
  beforeAll(async () => {
    owner = await newOrganization(controlPlane.primary.pool);
  });

  it('returns exactly the fields of the Elastic Cloud API, with a credential that authenticates', async () => {
    const role_assignments = projectRoles('elasticsearch', 'shop', ['viewer']);
    const response = await api('POST', KEYS, {
      description: 'shop reader',
      expiration: '30d',
      role_assignments,
    });
    expect(response.status).toBe(201);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const { key, ...rest } = response.body;
    expect(rest).toEqual({
      id: expect.stringMatching(/^[\w-]{22}$/),
      description: 'shop reader',
      creation_date: expect.any(String),
      expiration_date: expect.any(String),
      user_id: 'user-1',
      organization_id: owner.organizationId,
      role_assignments: {
        project: {
          elasticsearch: [
            { ...role_assignments.project.elasticsearch?.[0], organization_id: owner.organizationId },
          ],
        },
      },
      internal: false,
      status: 'active',
    });
    expect(Date.parse(rest.expiration_date) - Date.parse(rest.creation_date)).toBe(30 * DAY_MS);
    expect(await signIn(key)).toBe(403); // good, and no owner's
  });

  it('expires a key after 90 days by default, and never if requested', async () => {
    const usual = await create();
    expect(Date.parse(usual.expiration_date) - Date.parse(usual.creation_date)).toBe(90 * DAY_MS);
    expect(await create({ expiration: 'never' })).not.toHaveProperty('expiration_date');
  });

  it('copies the role assignments of the creator if the request has none', async () => {
    const made = await create();
    expect(made.role_assignments).toEqual({
      organization: [{ role_id: 'organization-admin', organization_id: owner.organizationId }],
    });
    expect(await signIn(made.key)).toBe(404); // an owner's: allowed to ask, and there is no such key
  });

  it('accepts unknown roles and projects with warnings that contain their paths', async () => {
    const made = await create({
      role_assignments: {
        organization: [{ role_id: 'organization-amdin' }],
        project: { security: [{ role_id: 'security-viewer', all: true, application_roles: ['viewr'] }] },
      },
    });
    expect(made.warnings).toEqual([
      expect.stringContaining('role_assignments.organization[0].role_id'),
      expect.stringContaining('role_assignments.project.security[0].application_roles[0]'),
    ]);
  });

  it('sends the expiration of the caller’s key with every response, including refusals', async () => {
    const made = await create({ expiration: '3h' });
    const authorization = `ApiKey ${made.key}`;
    for (const path of [KEYS, `${KEYS}/unknown`]) {
      const response = await callApi(controlPlane, 'GET', path, authorization);
      expect(response.headers.get('x-elastic-api-key-expiration')).toBe(made.expiration_date);
    }
    expect((await api('GET', KEYS)).headers.get('x-elastic-api-key-expiration')).toBeNull();
  });
});

describe('reading', () => {
  it('lists active keys by default, and others by status', async () => {
    const org = await newOrganization(controlPlane.primary.pool);
    const { organizationId } = org;
    const expired = await insertKey(controlPlane.primary.pool, { organizationId, expiresAt: new Date(0) });
    const revoked = await insertKey(controlPlane.primary.pool, { organizationId, revokedAt: new Date() });
    const soon = await insertKey(controlPlane.primary.pool, {
      organizationId,
      expiresAt: new Date(Date.now() + 5 * DAY_MS),
    });
    const ids = async (query: string) =>
      new Set(
        (await api('GET', `${KEYS}${query}`, undefined, {}, org)).body.keys.map(
          (key: { id: string }) => key.id,
        ),
      );
    expect(await ids('')).toEqual(new Set([org.id, soon.id]));
    expect(await ids('?status=expired')).toEqual(new Set([expired.id]));
    expect(await ids('?status=revoked')).toEqual(new Set([revoked.id]));
    expect(await ids('?status=all')).toEqual(new Set([org.id, soon.id, expired.id, revoked.id]));
    expect(await ids('?expiring_within=30d')).toEqual(new Set([soon.id]));
    expect(await ids('?expiring_within=4d')).toEqual(new Set());
    expect((await ids('?expiring_within=999999999w')).has(soon.id)).toBe(true);
  });

  it('lists keys of services only on request', async () => {
    const org = await newOrganization(controlPlane.primary.pool);
    const { organizationId } = org;
    const internal = await insertKey(controlPlane.primary.pool, { organizationId, internal: true });
    const ids = async (query: string) =>
      (await api('GET', `${KEYS}${query}`, undefined, {}, org)).body.keys.map(
        (key: { id: string }) => key.id,
      );
    expect(await ids('')).toEqual([org.id]);
    expect(await ids('?kind=internal')).toEqual([internal.id]);
    expect(new Set(await ids('?kind=all'))).toEqual(new Set([org.id, internal.id]));
  });

  it('returns every key once across pages, also while keys are created', async () => {
    const org = await newOrganization(controlPlane.primary.pool);
    const made = new Set([org.id]);
    for (let count = 0; count < 6; count += 1) made.add((await create({}, org)).id);
    const seen: string[] = [];
    let after = '';
    do {
      const { body } = await api('GET', `${KEYS}?limit=3${after}`, undefined, {}, org);
      seen.push(...body.keys.map((key: { id: string }) => key.id));
      await create({}, org);
      after = body.next === undefined ? '' : `&after=${body.next}`;
    } while (after !== '');
    expect(seen).toHaveLength(made.size);
    expect(new Set(seen)).toEqual(made);
  });

  it('shows a key that is not an owner key only itself', async () => {
    const viewer = await insertKey(controlPlane.primary.pool, {
      organizationId: owner.organizationId,
      roleAssignments: projectRoles('elasticsearch', 'p', ['viewer']),
    });
    expect((await api('GET', `${KEYS}/${viewer.id}`, undefined, {}, viewer)).body.id).toBe(viewer.id);
    expect((await api('GET', `${KEYS}/${owner.id}`, undefined, {}, viewer)).status).toBe(403);
    expect((await api('GET', KEYS, undefined, {}, viewer)).status).toBe(403);
  });

  it('lists the id of a row that does not parse, and revokes it', async () => {
    const org = await newOrganization(controlPlane.primary.pool);
    const broken = await insertKey(controlPlane.primary.pool, {
      organizationId: org.organizationId,
      roleAssignments: { project: 'broken' },
    });
    const list = await api('GET', KEYS, undefined, {}, org);
    expect(list.body).toMatchObject({ keys: [{ id: org.id }], unreadable_keys: [broken.id] });
    expect((await api('GET', `${KEYS}/${broken.id}`, undefined, {}, org)).status).toBe(503);
    expect((await api('DELETE', `${KEYS}/${broken.id}`, undefined, {}, org)).status).toBe(200);
    expect((await api('GET', KEYS, undefined, {}, org)).body.unreadable_keys).toBeUndefined();
  });
});

describe('revocation', () => {
  it('revokes the key, returns {} each time, and hides the key as Elastic Cloud does', async () => {
    const made = await create();
    for (let time = 0; time < 2; time += 1) {
      const response = await api('DELETE', `${KEYS}/${made.id}`);
      expect([response.status, response.body]).toEqual([200, {}]);
    }
    expect(await signIn(made.key)).toBe(401);
    expect((await api('GET', `${KEYS}/${made.id}`)).body.errors[0].code).toBe('api_keys.key_not_found');
    expect((await api('GET', `${KEYS}/${made.id}?status=all`)).body.status).toBe('revoked');
    const events = (await auditOf(controlPlane.primary.pool, owner.organizationId)).filter(
      (event) => event.target_id === made.id && event.action === 'api_key.revoke',
    );
    expect(events).toHaveLength(1);
  });

  it('revokes several keys together, or none if one is unknown', async () => {
    const [one, two] = [await create(), await create()];
    const refused = await api('DELETE', KEYS, { keys: [one.id, 'unknown'] });
    expect(refused.status).toBe(404);
    expect(refused.body.errors[0]).toMatchObject({ code: 'api_keys.key_not_found', fields: ['keys[1]'] });
    expect((await api('GET', `${KEYS}/${one.id}`)).body.status).toBe('active');
    expect((await api('DELETE', KEYS, { keys: [one.id, two.id] })).body).toEqual({});
    expect((await api('GET', `${KEYS}/${two.id}?status=all`)).body.status).toBe('revoked');
  });

  it('keeps the last owner key unless forced', async () => {
    const org = await newOrganization(controlPlane.primary.pool);
    const refused = await api('DELETE', `${KEYS}/${org.id}`, undefined, {}, org);
    expect([refused.status, refused.body.errors[0].code]).toEqual([409, 'api_keys.last_owner']);
    expect((await api('DELETE', `${KEYS}/${org.id}?force=true`, undefined, {}, org)).status).toBe(200);
    expect((await api('GET', KEYS, undefined, {}, org)).status).toBe(401);
  });

  it('does not count an expired owner key as another owner', async () => {
    const org = await newOrganization(controlPlane.primary.pool);
    await insertKey(controlPlane.primary.pool, {
      organizationId: org.organizationId,
      roleAssignments: { organization: [{ role_id: 'organization-admin' }] },
      expiresAt: new Date(Date.now() - 1_000),
    });
    expect((await api('DELETE', `${KEYS}/${org.id}`, undefined, {}, org)).status).toBe(409);
  });
});

describe('rotation', () => {
  it('accepts both credentials until the grace period ends, then only the new one', async () => {
    const made = await create();
    const response = await api('POST', `${KEYS}/${made.id}/_rotate`, { grace_period: '2s' });
    expect(response.status).toBe(200);
    expect(response.body).toMatchObject({ id: made.id, expiration_date: made.expiration_date });
    expect(await signIn(response.body.key)).toBe(404);
    expect(await signIn(made.key)).toBe(404);
    await expect.poll(() => signIn(made.key), { timeout: 5_000, interval: 100 }).toBe(401);
    expect(await signIn(response.body.key)).toBe(404);
  });

  it('refuses the old secret and that of an earlier rotation at once with a grace period of 0', async () => {
    const made = await create();
    const second = await api('POST', `${KEYS}/${made.id}/_rotate`);
    expect(await signIn(made.key)).toBe(404);
    const third = await api('POST', `${KEYS}/${made.id}/_rotate`, { grace_period: '0' });
    expect(third.body).not.toHaveProperty('previous_secret_expiration_date');
    expect(await Promise.all([made, second.body, third.body].map(({ key }) => signIn(key)))).toEqual([
      401, 401, 404,
    ]);
  });

  it('refuses a second rotation in the grace period, which would end a secret in use', async () => {
    const made = await create();
    await api('POST', `${KEYS}/${made.id}/_rotate`, { grace_period: '1h' });
    const refused = await api('POST', `${KEYS}/${made.id}/_rotate`);
    expect([refused.status, refused.body.errors[0].code]).toEqual([409, 'api_keys.rotation_in_progress']);
    expect(await signIn(made.key)).toBe(404);
    expect((await api('POST', `${KEYS}/${made.id}/_rotate?force=true`)).status).toBe(200);
  });

  it('reactivates an expired key with a new expiration, but not its old secret', async () => {
    const expired = await insertKey(controlPlane.primary.pool, {
      organizationId: owner.organizationId,
      expiresAt: new Date(Date.now() - 1_000),
    });
    const refused = await api('POST', `${KEYS}/${expired.id}/_rotate`);
    expect([refused.status, refused.body.errors[0].code]).toEqual([409, 'api_keys.key_expired']);
    const revived = await api('POST', `${KEYS}/${expired.id}/_rotate`, {
      expiration: '7d',
      grace_period: '1h',
    });
    expect(await signIn(revived.body.key)).toBe(403);
    expect(await signIn(expired.credential)).toBe(401);
  });

  it('refuses to rotate a revoked key', async () => {
    const made = await create();
    await api('DELETE', `${KEYS}/${made.id}`);
    const refused = await api('POST', `${KEYS}/${made.id}/_rotate`);
    expect([refused.status, refused.body.errors[0].code]).toEqual([409, 'api_keys.key_revoked']);
  });
});

describe('the audit trail', () => {
  it('contains the actor of every change and refused attempt, and no secret', async () => {
    const org = await newOrganization(controlPlane.primary.pool);
    const made = await create({}, org);
    const rotated = await api('POST', `${KEYS}/${made.id}/_rotate`, {}, {}, org);
    await api('POST', KEYS, { description: '' }, {}, org);
    await api('DELETE', `${KEYS}/${made.id}`, undefined, {}, org);
    const events = await auditOf(controlPlane.primary.pool, org.organizationId);
    expect(
      events.map(({ action, outcome, reason, target_id }) => [action, outcome, reason, target_id]),
    ).toEqual([
      ['api_key.create', 'success', null, made.id],
      ['api_key.rotate', 'success', null, made.id],
      ['api_key.create', 'failure', 'api_keys.invalid_input', null],
      ['api_key.revoke', 'success', null, made.id],
    ]);
    for (const event of events)
      expect(event).toMatchObject({ actor_type: 'key', actor_id: org.id, source_ip: '127.0.0.1' });
    const text = JSON.stringify(events);
    for (const secret of [made.key, rotated.body.key, org.secret, 'argon2'])
      expect(text).not.toContain(secret);
    expect(controlPlane.logLines.join('')).not.toContain(made.key);
  });

  it('appears in the log, only for committed changes', async () => {
    const org = await newOrganization(controlPlane.primary.pool);
    const made = await create({}, org);
    await api('DELETE', `${KEYS}/unknown`, undefined, {}, org);
    const lines = controlPlane.logLines
      .map((line) => JSON.parse(line))
      .filter((line) => line['log.logger'] === 'audit' && line.organization.id === org.organizationId);
    expect(lines).toMatchObject([
      {
        event: { action: 'api_key.create', outcome: 'success' },
        user: { id: org.id },
        target: { id: made.id },
      },
      { event: { action: 'api_key.revoke', outcome: 'failure', reason: 'api_keys.key_not_found' } },
    ]);
    expect(JSON.stringify(lines)).not.toContain(made.key);
  });

  it('records a change that a revoked key attempts', async () => {
    const org = await newOrganization(controlPlane.primary.pool);
    const ended = await insertKey(controlPlane.primary.pool, {
      organizationId: org.organizationId,
      revokedAt: new Date(),
    });
    expect((await api('POST', KEYS, { description: 'x' }, {}, ended)).status).toBe(401);
    expect(await auditOf(controlPlane.primary.pool, org.organizationId)).toMatchObject([
      { actor_id: ended.id, action: 'api_key.create', outcome: 'failure', reason: 'root.unauthenticated' },
    ]);
  });
});
