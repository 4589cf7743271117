import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callApi, newOrganization, startTestControlPlane } from '../../support/control-plane.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { iam } from '../../support/iam.ts';
import { type IssuedKey, insertKey, projectRoles } from '../../support/keys.ts';
import { metric } from '../../support/pods.ts';
import { createPrimary } from '../../support/primary.ts';
import {
  authenticate,
  projectContext,
  startRegional,
  startUnreadyRegional,
  type TestRegional,
} from '../../support/regional.ts';
import { putRole } from '../../support/roles.ts';
import { type PgBouncer, startPgBouncer } from '../../support/servers/pgbouncer.ts';

describe('a region behind PgBouncer with transaction pooling', () => {
  let databases: TestDatabases;
  let pooler: PgBouncer;
  let regional: TestRegional;
  let keys: IssuedKey[];
  beforeAll(async () => {
    databases = await createDatabases();
    pooler = await startPgBouncer([databases.replicaUrl], 3);
    keys = await Promise.all(
      Array.from({ length: 200 }, () =>
        insertKey(databases.primary, {
          organizationId: 'pooled',
          roleAssignments: projectRoles('elasticsearch', 'p1', ['viewer', 'custom']),
        }),
      ),
    );
    await putRole(databases.primary, 'pooled', 'custom', { cluster: ['monitor'] });
    await databases.replicated();
    regional = await startRegional(pooler.through(databases.replicaUrl), {
      DATABASE_TRANSACTION_POOLING: 'true',
      CHANGE_FEED_DATABASE_URL: databases.replicaUrl,
      // More client connections than the pooler has for the server, so that statements wander between them.
      DATABASE_POOL_SIZE: '16',
      DATABASE_QUERY_TIMEOUT_MS: '5000',
      DATABASE_CONNECT_TIMEOUT_MS: '5000',
    });
  });
  afterAll(async () => {
    await regional?.close();
    await pooler?.stop();
    await databases?.close();
  });
  const ask = (key: IssuedKey) =>
    authenticate(regional, key.authorization, { contexts: [projectContext('p1', 'pooled')] });

  it('answers 200 cold calls at once, with roles', async () => {
    const responses = await Promise.all(keys.map(ask));
    expect(responses.filter(({ status }) => status !== 200)).toEqual([]);
    expect(Object.keys(responses[0]?.body.contexts[0].role_descriptors)).toEqual(['viewer', 'custom']);
  });

  it('applies a revocation through its direct change feed', async () => {
    const [key] = keys as [IssuedKey];
    expect((await ask(key)).status).toBe(200);
    await databases.primary.query('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [key.id]);
    await expect.poll(async () => (await ask(key)).status, { timeout: 5_000 }).toBe(401);
  });

  it('reports a change feed behind the pooler, refused or not', async () => {
    const through = pooler.through(databases.replicaUrl);
    const refused = await startUnreadyRegional(databases.replicaUrl, { CHANGE_FEED_DATABASE_URL: through });
    try {
      await expect
        .poll(() => refused.logLines.join(''))
        .toContain('the URL of the change feed leads to a connection pooler; set CHANGE_FEED_DATABASE_URL');
    } finally {
      await refused.close();
    }
    const tolerant = await startPgBouncer(
      [databases.replicaUrl],
      3,
      'ignore_startup_parameters = statement_timeout',
    );
    const deaf = await startUnreadyRegional(databases.replicaUrl, {
      CHANGE_FEED_DATABASE_URL: tolerant.through(databases.replicaUrl),
    });
    try {
      const warnings = () => deaf.logLines.filter((line) => line.includes('is behind a connection pooler'));
      await expect.poll(() => warnings().length).toBe(1);
      expect(regional.logLines.join('')).not.toContain('is behind a connection pooler');
    } finally {
      await deaf.close();
      await tolerant.stop();
    }
  });

  it('does not lead to a database that iam migrate or a subscription accepts, before any change', async () => {
    const toPrimary = await startPgBouncer([databases.primaryUrl]);
    try {
      const { exitCode, stderr } = await iam(['migrate', 'primary'], {
        MIGRATE_DATABASE_URL: toPrimary.through(databases.primaryUrl),
      });
      expect([exitCode, stderr]).toEqual([
        2,
        expect.stringContaining('connection pooler in transaction mode'),
      ]);
      const name = new URL(databases.primaryUrl).pathname.slice(1);
      const region = await iam(
        [
          ...['migrate', 'region', '--check', '--subscription-name', name],
          ...['--subscribe-to', toPrimary.through(databases.primaryUrl)],
        ],
        { MIGRATE_DATABASE_URL: databases.regionUrl },
      );
      expect([region.exitCode, region.stdout]).toEqual([4, expect.stringContaining('connection pooler')]);
    } finally {
      await toPrimary.stop();
    }
  });

  it('is necessary: without the setting the pooler refuses the connections', async () => {
    const direct = await startUnreadyRegional(pooler.through(databases.replicaUrl), {
      CHANGE_FEED_DATABASE_URL: databases.replicaUrl,
    });
    try {
      await expect.poll(() => metric(direct, 'iam_replica_trusted')).toBe(1);
      const { status, body } = await authenticate(direct, keys[1]?.authorization);
      expect([status, body.error.code]).toEqual([503, '0x1A0503']);
      expect(direct.logLines.join('')).toContain('unsupported startup parameter: statement_timeout');
    } finally {
      await direct.close();
    }
  });
});

it('the control plane creates, rotates and revokes keys at concurrency 50 behind PgBouncer', async () => {
  const primary = await createPrimary();
  const pooler = await startPgBouncer([primary.controlPlaneUrl], 3);
  const controlPlane = await startTestControlPlane(
    { DATABASE_TRANSACTION_POOLING: 'true', DATABASE_POOL_SIZE: '16' },
    { ...primary, controlPlaneUrl: pooler.through(primary.controlPlaneUrl) },
  );
  try {
    const owner = await newOrganization(primary.pool);
    const api = (method: string, path: string, body?: unknown) =>
      callApi(controlPlane, method, `/api/v1/users/auth/keys${path}`, owner.authorization, { body });
    const lives = Array.from({ length: 50 }, async (_, at) => {
      const { body: key } = await api('POST', '', { description: `key ${at}` });
      const rotated = await api('POST', `/${key.id}/_rotate`, {});
      const revoked = await api('DELETE', `/${key.id}`);
      return [rotated.status, revoked.status, (await api('GET', `/${key.id}`)).status];
    });
    expect(new Set((await Promise.all(lives)).map(String))).toEqual(new Set(['200,200,404']));
  } finally {
    await controlPlane.close();
    await pooler.stop();
    await primary.close();
  }
});
