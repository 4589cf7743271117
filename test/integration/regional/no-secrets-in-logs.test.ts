import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CertificateAuthority } from '../../support/certificates.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { findForbidden } from '../../support/forbidden-output.ts';
import { call, sendBytes } from '../../support/http-call.ts';
import {
  authorizationOf,
  type IssuedKey,
  insertKey,
  newCredential,
  projectRoles,
} from '../../support/keys.ts';
import {
  authenticate,
  CLIENT_SECRET,
  projectContext,
  startRegional,
  startUnreadyRegional,
  type TestRegional,
} from '../../support/regional.ts';
import { startTcpProxy, type TcpProxy } from '../../support/servers/tcp-proxy.ts';

let databases: TestDatabases;
let proxy: TcpProxy;
let regional: TestRegional;
let keys: IssuedKey[];
/** Everything that the service sent: responses with headers, metrics, probes. */
const sent: unknown[] = [];

// One service at log level trace goes through every failure; then its whole output is checked.
beforeAll(async () => {
  databases = await createDatabases();
  const url = new URL(databases.replicaUrl);
  proxy = await startTcpProxy({ targetPort: Number(url.port) });
  url.port = String(proxy.port);
  regional = await startRegional(url.href, { LOG_LEVEL: 'trace' });
  keys = await Promise.all([
    insertKey(databases.primary, { roleAssignments: projectRoles('elasticsearch', 'p1', ['viewer']) }),
    insertKey(databases.primary, { internal: true }),
    insertKey(databases.primary, { revokedAt: new Date() }),
    insertKey(databases.primary, { expiresAt: new Date(0) }),
    insertKey(databases.primary, { roleAssignments: 'broken' }),
    insertKey(databases.primary, { secretHash: `$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$${'A'.repeat(40)}` }),
  ]);
  await databases.replicated();
  await everyKindOfRequest();
  await proxy.cut();
  await everyKindOfRequest();
  await proxy.restore();
  for (const path of ['livez', 'readyz', 'startupz', 'metrics', 'nowhere']) {
    const response = await fetch(`${regional.managementUrl}/${path}`, {
      headers: { authorization: keys[0]?.authorization ?? '' },
    });
    sent.push(await response.text(), [...response.headers]);
  }
  await regional.close();
});
afterAll(async () => {
  await proxy?.close();
  await databases?.close();
});

async function everyKindOfRequest(): Promise<void> {
  for (const key of keys) {
    for (const headers of [{}, { 'x-client-authentication': CLIENT_SECRET }]) {
      const contexts = [projectContext('p1', key.organizationId), projectContext('p1', 'other')];
      sent.push(await authenticate(regional, key.authorization, { contexts, headers }));
      sent.push(await authenticate(regional, key.authorization, { rawBody: key.credential, headers }));
      sent.push(
        await authenticate(regional, key.authorization, { query: `?audience=${key.credential}`, headers }),
      );
    }
    const { id, credential } = key;
    const twice = Buffer.from(credential).toString('base64');
    for (const authorization of [
      `Bearer ${credential}`,
      credential,
      `ApiKey ${credential.slice(0, -1)}`,
      `ApiKey ${twice}`,
      authorizationOf({ ...newCredential(), id }),
    ]) {
      sent.push(await authenticate(regional, authorization));
    }
    sent.push(await call(`${regional.url}/${encodeURIComponent(credential)}?key=${credential}`));
    sent.push(
      await sendBytes(regional.url, `NONSENSE ${credential}\r\nAuthorization: ApiKey ${credential}\r\n\r\n`),
    );
  }
}

/** Every secret that a request or a row contains. */
const secretsOf = () => [
  CLIENT_SECRET,
  ...keys.flatMap((key) => [key.credential, key.secret, Buffer.from(key.credential).toString('base64')]),
];

describe('in any failure, no credential, hash or secret appears', () => {
  it('in a log line', () => {
    expect(regional.logLines.length).toBeGreaterThan(20);
    const output = regional.logLines.join('\n');
    expect(findForbidden(output)).toEqual([]);
    for (const secret of secretsOf()) expect(output).not.toContain(secret);
    expect(output).not.toContain('argon2id');
  });

  it('in a response body or header, a metric or a probe', () => {
    expect(sent.length).toBeGreaterThan(100);
    const output = JSON.stringify(sent, (_key, value) => (value instanceof Headers ? [...value] : value));
    expect(findForbidden(output)).toEqual([]);
    for (const secret of secretsOf()) expect(output).not.toContain(secret);
  });

  it('in the error of a wrong database login', async () => {
    const url = new URL(databases.replicaUrl);
    url.password = 'a-wrong-database-password';
    const other = await startUnreadyRegional(url.href);
    expect((await authenticate(other, keys[0]?.authorization)).status).toBe(503);
    await expect.poll(() => other.logLines.join('\n')).toMatch(/password authentication failed/);
    await other.close();
    expect(other.logLines.join('\n')).not.toContain('a-wrong-database-password');
  });

  it('in the log of a failed TLS set-up', async () => {
    const authority = await CertificateAuthority.create();
    const { files, key } = await authority.issue('server');
    const failure = await startUnreadyRegional(databases.replicaUrl, {
      TLS_CERT_FILE: files.key,
      TLS_KEY_FILE: files.cert,
    }).then(
      (service) => service.close(),
      (error: Error) => `${error.message} ${error.stack}`,
    );
    await authority.remove();
    expect(failure).toEqual(expect.any(String));
    expect(failure).not.toContain(key.split('\n')[1]);
  });
});

it('no metric label contains a key or an organization', async () => {
  const metrics = sent.find((text) => typeof text === 'string' && text.includes('# HELP')) as string;
  for (const { id, organizationId } of keys) {
    expect(metrics).not.toContain(id);
    expect(metrics).not.toContain(organizationId);
  }
});
