import { afterAll, beforeAll, expect, it } from 'vitest';
import { CertificateAuthority } from '../../support/certificates.ts';
import {
  CLIENT_SECRET,
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../support/control-plane.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { insertKey, projectRoles } from '../../support/keys.ts';
import { metric } from '../../support/pods.ts';
import { authenticate, projectContext, startRegional, type TestRegional } from '../../support/regional.ts';
import { startTcpProxy, type TcpProxy } from '../../support/servers/tcp-proxy.ts';

const BASE = '/uiam/api/v1/api-keys';
const GRANT = {
  description: 'granted',
  internal: true,
  role_assignments: { limit: { access: ['application'], resource: ['project'] } },
};

let databases: TestDatabases;
let controlPlane: TestControlPlane;
let proxy: TcpProxy;
let region: TestRegional;
beforeAll(async () => {
  databases = await createDatabases();
  const primary = {
    pool: databases.primary,
    url: databases.primaryUrl,
    controlPlaneUrl: databases.primaryUrl,
  };
  controlPlane = await startTestControlPlane({ FORWARDING_SECRETS: 'forwarding-secret' }, { ...primary });
  proxy = await startTcpProxy({ targetPort: Number(new URL(controlPlane.url).port) });
  region = await startRegional(databases.replicaUrl, {
    CONTROL_PLANE_URL: `http://127.0.0.1:${proxy.port}`,
    FORWARDING_SECRETS: 'forwarding-secret',
  });
});
afterAll(async () => {
  await region?.close();
  await proxy?.close();
  await controlPlane?.close();
  await databases?.close();
});

async function viewer() {
  const owner = await newOrganization(controlPlane.primary.pool);
  return insertKey(controlPlane.primary.pool, {
    organizationId: owner.organizationId,
    roleAssignments: projectRoles('elasticsearch', 'shop', ['viewer']),
  });
}

it('forwards the three key calls with their headers and returns the responses of the control plane', async () => {
  const key = await viewer();
  const granted = await callApi(region, 'POST', `${BASE}/_grant`, key.authorization, { body: GRANT });
  expect(granted.status).toBe(200);
  expect(granted.body).toEqual({
    id: expect.any(String),
    key: expect.stringMatching(/^essu_dev_/),
    description: 'granted',
  });
  const gone = await callApi(region, 'DELETE', `${BASE}/${granted.body.id}`, `ApiKey ${granted.body.key}`, {
    headers: { 'x-client-authentication': CLIENT_SECRET },
  });
  expect([gone.status, gone.body]).toEqual([204, undefined]);
  const convert = await callApi(region, 'POST', `${BASE}/_convert`, undefined, {
    body: { keys: [] },
    headers: { 'x-client-authentication': CLIENT_SECRET },
  });
  // Only the control plane reads the body.
  expect([convert.status, convert.body.error.resource]).toEqual([400, 'keys']);
  const { rows } = await controlPlane.primary.pool.query(
    'SELECT source_ip FROM audit_events WHERE target_id = $1',
    [granted.body.id],
  );
  expect(rows.map((row) => row.source_ip)).toEqual(['127.0.0.1', '127.0.0.1']);
});

it('sends nothing to a control plane whose certificate it cannot verify', async () => {
  const authority = await CertificateAuthority.create();
  const { files } = await authority.issue('localhost');
  const secure = await startTestControlPlane(
    { TLS_CERT_FILE: files.cert, TLS_KEY_FILE: files.key, FORWARDING_SECRETS: 'forwarding-secret' },
    { ...controlPlane.primary },
  );
  const key = await viewer();
  const settings = {
    CONTROL_PLANE_URL: secure.url.replace('127.0.0.1', 'localhost'),
    FORWARDING_SECRETS: 'forwarding-secret',
  };
  const grantThrough = async (more: Record<string, string>) => {
    const through = await startRegional(databases.replicaUrl, { ...settings, ...more });
    const { status } = await callApi(through, 'POST', `${BASE}/_grant`, key.authorization, { body: GRANT });
    await through.close();
    return status;
  };
  const forwarded = () => metric(secure, 'iam_forwarded_requests_total{result="accepted"}');
  try {
    expect([await grantThrough({}), await forwarded()]).toEqual([503, 0]);
    const trusting = { CONTROL_PLANE_CA_FILE: authority.certFile };
    expect([await grantThrough(trusting), await forwarded()]).toEqual([200, 1]);
  } finally {
    await secure.close();
    await authority.remove();
  }
});

it('returns 503 with a code, never 500, while the control plane is unreachable; authentication is unaffected', async () => {
  const key = await viewer();
  await databases.replicated();
  await proxy.cut();
  try {
    for (const [method, path] of [
      ['POST', '/_grant'],
      ['POST', '/_convert'],
      ['DELETE', `/${key.id}`],
    ] as const) {
      const response = await callApi(region, method, `${BASE}${path}`, key.authorization, {
        headers: path === '/_convert' ? { 'x-client-authentication': CLIENT_SECRET } : {},
      });
      expect([response.status, response.body.error.code]).toEqual([503, '0x1A1503']);
      expect(response.headers.get('retry-after')).toBe('1');
    }
    const errors = region.logLines
      .map((line) => JSON.parse(line))
      .filter((line) => line['log.level'] === 'error');
    expect(errors).not.toEqual([]);
    expect(region.logLines.join('')).not.toContain('response errored');
    for (const line of errors)
      expect(line).toMatchObject({ 'error.code': '0x1A1503', suppressed: expect.any(Number) });
    const contexts = [projectContext('shop', key.organizationId)];
    expect((await authenticate(region, key.authorization, { contexts })).status).toBe(200);
  } finally {
    await proxy.restore();
  }
  expect((await callApi(region, 'DELETE', `${BASE}/${key.id}`, key.authorization)).status).toBe(204);
});
