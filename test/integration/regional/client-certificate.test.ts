import { once } from 'node:events';
import { request } from 'node:https';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AUTHENTICATE_PATH } from '../../../src/regional/authentication-call.ts';
import { type Certificate, CertificateAuthority } from '../../support/certificates.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { type IssuedKey, insertKey } from '../../support/keys.ts';
import { CLIENT_SECRET, startRegional, type TestRegional } from '../../support/regional.ts';

let databases: TestDatabases;
let authority: CertificateAuthority;
let strangers: CertificateAuthority;
let regional: TestRegional;
let internal: IssuedKey;
let external: IssuedKey;

beforeAll(async () => {
  [databases, authority, strangers] = await Promise.all([
    createDatabases(),
    CertificateAuthority.create(),
    CertificateAuthority.create(),
  ]);
  const server = await authority.issue('server');
  regional = await startRegional(databases.replicaUrl, {
    TLS_CERT_FILE: server.files.cert,
    TLS_KEY_FILE: server.files.key,
    TLS_CLIENT_CA_FILE: authority.certFile,
    CLIENT_CERTIFICATE_NAMES: 'elasticsearch, expired, node, service, node-3, spiffe://iam.test/es/*',
    DATABASE_CONNECT_TIMEOUT_MS: '10000',
  });
  internal = await insertKey(databases.primary, { internal: true });
  external = await insertKey(databases.primary);
  await databases.replicated();
});
afterAll(async () => {
  await regional?.close();
  await databases?.close();
  await authority?.remove();
  await strangers?.remove();
});

/** Calls `_authenticate` over TLS; returns status and error code. */
async function ask(
  key: IssuedKey,
  client?: Certificate,
  headers: Record<string, string> = {},
  server = regional,
) {
  const call = request(`${server.url}${AUTHENTICATE_PATH}`, {
    method: 'POST',
    headers: { authorization: key.authorization, ...headers },
    rejectUnauthorized: false, // the test is about the certificate of the client
    agent: false,
    ...client,
  });
  call.end();
  const [response] = await once(call, 'response');
  const body = JSON.parse(Buffer.concat(await response.toArray()).toString());
  return [response.statusCode, body.error?.code];
}

describe('an internal key', () => {
  it('is accepted with a client certificate of the configured CA, without the header', async () => {
    expect(await ask(internal, await authority.issue('elasticsearch'))).toEqual([200, undefined]);
  });

  it('is refused without any client authentication', async () => {
    expect(await ask(internal)).toEqual([401, '0x8560B2']);
  });

  it('is refused with a certificate of another CA', async () => {
    expect(await ask(internal, await strangers.issue('elasticsearch'))).toEqual([401, '0x8560B2']);
  });

  it('is refused with an expired certificate of the configured CA', async () => {
    const expired = await authority.issue('expired', { expired: true });
    expect(await ask(internal, expired)).toEqual([401, '0x8560B2']);
  });

  it.each([
    ['a name below a listed SPIFFE id', ['URI=spiffe://iam.test/es/node/1'], 200],
    ['the listed SPIFFE id without its end', ['URI=spiffe://iam.test/es'], 401],
    ['a SPIFFE id that leaves the listed one', ['URI=spiffe://iam.test/es/../kibana'], 401],
    ['another name of the configured CA', ['DNS=kibana'], 401],
    ['a name that contains a listed one', ['DNS=elasticsearch.kibana'], 401],
    ['a DNS name that imitates a listed URI', ['DNS=kibana, URI:spiffe://iam.test/es/1'], 401],
    ['a URI that imitates a listed DNS name', ['URI=spiffe://iam.test/kibana, DNS:elasticsearch'], 401],
    ['a listed DNS name as e-mail address', ['email=elasticsearch'], 401],
  ])('with a certificate with %s gets the expected status', async (title, names, status) => {
    const client = await authority.issue(title.replaceAll(' ', '-'), { names });
    expect((await ask(internal, client))[0]).toBe(status);
  });

  it('is refused with a certificate whose subject alone is listed', async () => {
    const client = await authority.issue('elasticsearch', { names: ['DNS=kibana'] });
    expect(await ask(internal, client)).toEqual([401, '0x8560B2']);
  });

  it('is accepted over TLS with the shared secret alone', async () => {
    expect(await ask(internal, undefined, { 'x-client-authentication': CLIENT_SECRET })).toEqual([
      200,
      undefined,
    ]);
  });
});

describe('an external key', () => {
  it('is accepted without a certificate, and with one of another CA', async () => {
    expect(await ask(external)).toEqual([200, undefined]);
    expect(await ask(external, await strangers.issue('customer'))).toEqual([200, undefined]);
  });

  it('is refused with a client certificate of the configured CA, as with the shared secret', async () => {
    expect(await ask(external, await authority.issue('node'))).toEqual([401, '0x8560B2']);
  });
});

describe('a call without Authorization', () => {
  const query = '?include_token=true&audience=https%3A%2F%2Fexample.com';

  /** Calls `_authenticate` as a service that has only its certificate: no body and no content type. */
  async function requestToken(path: string, client?: Certificate) {
    const call = request(`${regional.url}${AUTHENTICATE_PATH}${path}`, {
      method: 'POST',
      rejectUnauthorized: false,
      agent: false,
      ...client,
    });
    call.end();
    const [response] = await once(call, 'response');
    const { error } = JSON.parse(Buffer.concat(await response.toArray()).toString());
    return { status: response.statusCode, ...error };
  }

  it.each(['?include_token=true', '?audience=https%3A%2F%2Fexample.com', query])(
    'gets 400, not 401, for a token with an accepted certificate (%s)',
    async (path) => {
      const client = await authority.issue('service');
      expect(await requestToken(path, client)).toMatchObject({
        status: 400,
        code: '0x1A4400',
        type: 'REQUEST.NOT_SUPPORTED',
        message: expect.stringContaining('does not issue tokens'),
      });
    },
  );

  it('gets 401 without an accepted certificate, or without the wish for a token', async () => {
    const missing = { status: 401, code: '0xD00DF3', message: expect.stringContaining('missing') };
    expect(await requestToken(query)).toMatchObject(missing);
    expect(await requestToken(query, await strangers.issue('service'))).toMatchObject(missing);
    expect(await requestToken('?include_token=false', await authority.issue('node-3'))).toMatchObject(
      missing,
    );
  });
});

it('a TLS server without a client CA accepts no certificate as client authentication', async () => {
  const server = await authority.issue('plain');
  const other = await startRegional(databases.replicaUrl, {
    TLS_CERT_FILE: server.files.cert,
    TLS_KEY_FILE: server.files.key,
    DATABASE_CONNECT_TIMEOUT_MS: '10000',
  });
  try {
    expect(await ask(internal, await authority.issue('node-2'), {}, other)).toEqual([401, '0x8560B2']);
  } finally {
    await other.close();
  }
});

it.each(['TLSv1.2', 'TLSv1.3'] as const)('resumes no session (%s)', async (maxVersion) => {
  const options = {
    port: Number(new URL(regional.url).port),
    host: '127.0.0.1',
    maxVersion,
    rejectUnauthorized: false,
    ...(await authority.issue('elasticsearch')),
  };
  const first = connect(options);
  let session = first.getSession();
  first.on('session', (received) => {
    session = received;
  });
  await once(first, 'secureConnect');
  first.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(first, 'data');
  session ??= first.getSession();
  first.destroy();
  const second = connect({ ...options, ...(session && { session }) });
  await once(second, 'secureConnect');
  expect(second.isSessionReused()).toBe(false);
  second.destroy();
});

it('refuses plain HTTP and old protocol versions on the TLS port and keeps serving', async () => {
  const { port } = new URL(regional.url);
  await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  const old = connect({
    port: Number(port),
    maxVersion: 'TLSv1.1',
    minVersion: 'TLSv1',
    rejectUnauthorized: false,
  });
  await expect(once(old, 'secureConnect')).rejects.toThrow();
  expect(await ask(external)).toEqual([200, undefined]);
});
