import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { predefinedRoles } from '../../../src/roles/predefined.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { authorizationOf, insertKey, newCredential, projectRoles, revokeKey } from '../../support/keys.ts';
import { changesApplied } from '../../support/pods.ts';
import {
  authenticate,
  CLIENT_SECRET,
  projectContext,
  startRegional,
  type TestRegional,
} from '../../support/regional.ts';
import { putRole } from '../../support/roles.ts';

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

const ask = (
  key: { authorization: string; organizationId: string },
  projectId = 'p1',
  projectType?: string,
) =>
  authenticate(regional, key.authorization, {
    contexts: [projectContext(projectId, key.organizationId, projectType)],
  });

describe('a valid key', () => {
  it('receives the native descriptors of its roles from the replica', async () => {
    const key = await insertKey(databases.primary, {
      roleAssignments: projectRoles('elasticsearch', 'p1', ['viewer']),
    });
    await databases.replicated();
    const response = await ask(key);
    expect(response.status).toBe(200);
    expect(response.body).toMatchObject({
      type: 'api-key',
      user_id: 'user-1',
      email: null,
      first_name: null,
      last_name: null,
      organization_id: key.organizationId,
      token: null,
      role_assignments: null,
      denied_contexts: [],
      credentials: {
        id: key.id,
        type: 'api-key',
        expiration: null,
        internal: false,
        description: 'test',
      },
    });
    expect(response.body.contexts).toEqual([
      {
        ...projectContext('p1', key.organizationId),
        application_roles: ['viewer'],
        role_descriptors: {
          viewer: predefinedRoles.find(
            (role) => role.projectType === 'elasticsearch' && role.name === 'viewer',
          )?.descriptor,
        },
        unresolved_application_roles: [],
      },
    ]);
  });

  it.each(predefinedRoles)(
    'receives $projectType $name exactly as defined',
    async ({ projectType, name, descriptor }) => {
      const key = await insertKey(databases.primary, {
        roleAssignments: projectRoles(projectType, 'p1', [name]),
      });
      await databases.replicated();
      const response = await ask(key, 'p1', projectType);
      expect(response.body.contexts[0].role_descriptors).toEqual({ [name]: descriptor });
    },
  );

  it('receives its identity when no context is requested, with or without a body', async () => {
    const key = await insertKey(databases.primary);
    await databases.replicated();
    for (const rawBody of [undefined, '', '{}', '{"contexts":null}']) {
      const response = await authenticate(
        regional,
        key.authorization,
        rawBody === undefined ? {} : { rawBody },
      );
      expect([response.status, response.body.contexts]).toEqual([200, null]);
    }
  });

  it('receives raw role assignments only on request, and no descriptors if the request omits them', async () => {
    const roleAssignments = projectRoles('elasticsearch', 'p1', ['viewer']);
    const key = await insertKey(databases.primary, { roleAssignments });
    await databases.replicated();
    const response = await authenticate(regional, key.authorization, {
      contexts: [projectContext('p1', key.organizationId)],
      query: '?include_role_assignments=true&include_role_descriptors=false&include_token=true',
    });
    expect(response.body.role_assignments).toEqual(roleAssignments);
    expect(response.body.token).toBeNull();
    expect(response.body.contexts[0]).not.toHaveProperty('role_descriptors');
  });

  it('receives granted and denied projects in one response', async () => {
    const key = await insertKey(databases.primary, {
      roleAssignments: projectRoles('security', 'p1', ['editor']),
    });
    await databases.replicated();
    const response = await authenticate(regional, key.authorization, {
      contexts: [
        projectContext('p1', key.organizationId, 'security'),
        projectContext('p2', key.organizationId, 'security'),
        projectContext('p1', 'another-organization', 'security'),
      ],
    });
    expect(response.status).toBe(200);
    expect(response.body.contexts.map((one: { project_id: string }) => one.project_id)).toEqual(['p1']);
    expect(response.body.denied_contexts).toEqual([
      {
        ...projectContext('p2', key.organizationId, 'security'),
        error: expect.stringContaining('no role assignment'),
      },
      {
        ...projectContext('p1', 'another-organization', 'security'),
        error: expect.stringContaining('another organization'),
      },
    ]);
  });

  it('covers projects that are created later if its assignment has "all"', async () => {
    const key = await insertKey(databases.primary, {
      roleAssignments: {
        project: { elasticsearch: [{ role_id: 'x', all: true, application_roles: ['viewer'] }] },
      },
    });
    await databases.replicated();
    expect((await ask(key, 'made-a-minute-ago', 'elasticsearch_general_purpose')).status).toBe(200);
  });

  it('is independent of its creator’s key', async () => {
    const key = await insertKey(databases.primary, { createdBy: 'a-user-that-is-gone' });
    await databases.replicated();
    expect((await authenticate(regional, key.authorization)).body.user_id).toBe('a-user-that-is-gone');
  });
});

describe('role definitions', () => {
  it('apply in their current form, and a deleted role is listed as unresolved', async () => {
    const key = await insertKey(databases.primary, {
      roleAssignments: projectRoles('elasticsearch', 'p1', ['viewer', 'logs-reader']),
    });
    const define = (privileges: string[]) =>
      putRole(databases.primary, key.organizationId, 'logs-reader', {
        indices: [{ names: ['logs-*'], privileges }],
      });
    await define(['read']);
    await databases.replicated();
    const before = await ask(key);
    expect(before.body.contexts[0].role_descriptors['logs-reader'].indices[0].privileges).toEqual(['read']);

    await define(['read', 'write']);
    await databases.replicated();
    // The change feed delivers the change some milliseconds after replication.
    const context = async () => (await ask(key)).body.contexts[0];
    await expect
      .poll(async () => (await context()).role_descriptors['logs-reader'].indices[0].privileges)
      .toEqual(['read', 'write']);

    await databases.primary.query('UPDATE roles SET deleted_at = now() WHERE organization_id = $1', [
      key.organizationId,
    ]);
    await databases.replicated();
    await expect.poll(context).toMatchObject({
      application_roles: ['viewer'],
      unresolved_application_roles: ['logs-reader'],
    });
  });
});

describe('a key without permissions in the project is refused with 403 and the reason', () => {
  const cases: [string, unknown, string][] = [
    ['no assignment', {}, 'no role assignment'],
    ['no application roles', projectRoles('elasticsearch', 'p1', []), 'no application_roles'],
    [
      'roles that do not exist',
      projectRoles('elasticsearch', 'p1', ['ghost']),
      'none of the assigned roles: ghost',
    ],
  ];
  it.each(cases)('%s', async (_name, roleAssignments, reason) => {
    const key = await insertKey(databases.primary, { roleAssignments });
    await databases.replicated();
    const response = await ask(key);
    expect(response.status).toBe(403);
    expect(response.body).toEqual({
      request_id: expect.any(String),
      error: {
        code: '0x93B121',
        message: expect.stringContaining(reason),
        resource: 'p1',
        type: expect.any(String),
      },
    });
  });

  it("another organization's project", async () => {
    const key = await insertKey(databases.primary, {
      roleAssignments: projectRoles('elasticsearch', 'p1', ['admin']),
    });
    await databases.replicated();
    const response = await authenticate(regional, key.authorization, {
      contexts: [projectContext('p1', 'another-organization')],
    });
    expect([response.status, response.body.error.code]).toEqual([403, '0x93B121']);
    expect(response.body.error.message).toContain('another organization');
  });
});

describe('an invalid key is refused with 401 and the code of the reason', () => {
  const code = async (authorization: string | undefined, headers?: Record<string, string>) => {
    const response = await authenticate(regional, authorization, headers === undefined ? {} : { headers });
    expect(response.body.request_id).toEqual(expect.any(String));
    return [response.status, response.body.error.code];
  };

  it('has the same code for an unknown id and a wrong secret', async () => {
    const key = await insertKey(databases.primary);
    await databases.replicated();
    const stranger = newCredential();
    expect(await code(authorizationOf(stranger))).toEqual([401, '0x28D520']);
    expect(await code(authorizationOf({ ...stranger, id: key.id }))).toEqual([401, '0x28D520']);
  });

  it('refuses a revoked key once the change feed has delivered the change', async () => {
    const key = await insertKey(databases.primary);
    await databases.replicated();
    expect((await authenticate(regional, key.authorization)).status).toBe(200);
    await revokeKey(databases.primary, key.id);
    await databases.replicated();
    await changesApplied(regional);
    expect(await code(key.authorization)).toEqual([401, '0xD38358']);
  });

  it('refuses an expired key from its expiry, by the clock of the replica as far as the pod can read it', async () => {
    const expiresAt = new Date(Date.now() + 1_000);
    const key = await insertKey(databases.primary, { expiresAt });
    await databases.replicated();
    const before = await authenticate(regional, key.authorization);
    expect([before.status, before.body.credentials.expiration]).toEqual([200, expiresAt.toISOString()]);
    let response = before;
    while (Date.now() < expiresAt.getTime()) response = await authenticate(regional, key.authorization);
    expect(response.status === 200 || response.body.error.code === '0xE436AE').toBe(true);
    // The round trip to the replica bounds the error.
    await expect
      .poll(() => code(key.authorization), { timeout: 1_000, interval: 5 })
      .toEqual([401, '0xE436AE']);
  });

  it('reveals that a key is revoked or expired only to a caller with its secret', async () => {
    const revoked = await insertKey(databases.primary, { revokedAt: new Date() });
    const expired = await insertKey(databases.primary, { expiresAt: new Date(0) });
    await databases.replicated();
    for (const { id } of [revoked, expired]) {
      expect(await code(authorizationOf({ ...newCredential(), id }))).toEqual([401, '0x28D520']);
    }
  });

  it('accepts an internal key only with valid client authentication', async () => {
    const key = await insertKey(databases.primary, { internal: true });
    await databases.replicated();
    expect(await code(key.authorization)).toEqual([401, '0x8560B2']);
    expect(await code(key.authorization, { 'x-client-authentication': 'wrong' })).toEqual([401, '0x8560B2']);
    const response = await authenticate(regional, key.authorization, {
      headers: { 'x-client-authentication': CLIENT_SECRET },
    });
    expect([response.status, response.body.credentials.internal]).toEqual([200, true]);
  });

  it('refuses an external key with client authentication, valid or invalid', async () => {
    const key = await insertKey(databases.primary);
    await databases.replicated();
    for (const secret of [CLIENT_SECRET, 'wrong']) {
      expect(await code(key.authorization, { 'x-client-authentication': secret })).toEqual([401, '0x8560B2']);
    }
  });
});
