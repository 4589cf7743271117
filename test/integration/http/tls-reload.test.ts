import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import fastify, { type FastifyInstance } from 'fastify';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { clientConnections } from '../../../src/http/client-connections.ts';
import { createLogger } from '../../../src/http/logger.ts';
import { serverOptions, withoutSchemas } from '../../../src/http/server-options.ts';
import { tlsReload } from '../../../src/http/tls-reload.ts';
import { Traffic } from '../../../src/http/traffic.ts';
import { type Certificate, CertificateAuthority } from '../../support/certificates.ts';

const INTERVAL_MS = 20;

let authority: CertificateAuthority;
let strangers: CertificateAuthority;
/** The folder of the files, as the settings name it. */
let folder: string;
let app: FastifyInstance;
let registry: Registry;
let logLines: string[];

beforeAll(async () => {
  [authority, strangers] = await Promise.all([CertificateAuthority.create(), CertificateAuthority.create()]);
  await Promise.all([authority.revoke(), strangers.revoke()]);
});
afterAll(async () => {
  await authority?.remove();
  await strangers?.remove();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'iam-tls-reload-'));
  const server = await authority.issue('server-1');
  await copyFile(server.files.cert, join(folder, 'tls.crt'));
  await copyFile(server.files.key, join(folder, 'tls.key'));
  await copyFile(authority.certFile, join(folder, 'ca.crt'));
  await copyFile(authority.crlFile, join(folder, 'ca.crl'));
  const config = loadConfig({
    TLS_CERT_FILE: join(folder, 'tls.crt'),
    TLS_KEY_FILE: join(folder, 'tls.key'),
    TLS_CLIENT_CA_FILE: join(folder, 'ca.crt'),
    TLS_CLIENT_CRL_FILE: join(folder, 'ca.crl'),
    CLIENT_CERTIFICATE_NAMES: 'elasticsearch',
  });
  logLines = [];
  const logger = createLogger(
    { level: 'info', serviceName: 'test' },
    { write: (line) => void logLines.push(line) },
  );
  registry = new Registry();
  const traffic = new Traffic(config, registry);
  app = fastify({
    ...serverOptions(config, logger, traffic),
    ...withoutSchemas,
  }) as unknown as FastifyInstance;
  await app.register(clientConnections, traffic);
  await app.register(tlsReload, {
    config,
    logger,
    certificateExpiry: traffic.certificateExpiry,
    crlExpiry: traffic.crlExpiry,
    intervalMs: INTERVAL_MS,
  });
  app.get('/', async (request) => (request.hasClientCertificate ? 'accepted' : 'none'));
  await app.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(async () => {
  await app.close();
  await rm(folder, { recursive: true });
});

async function open(client?: Certificate): Promise<TLSSocket> {
  const { port } = app.server.address() as { port: number };
  const socket = connect({
    host: '127.0.0.1',
    port,
    ca: [await readFile(authority.certFile), await readFile(strangers.certFile)],
    ...client,
  });
  await once(socket, 'secureConnect');
  return socket;
}

async function ask(socket: TLSSocket): Promise<string | undefined> {
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return chunk.toString().split('\r\n').at(-1);
}

/** Opens a connection. @returns the name of the server, and whether the client has client authentication */
async function connection(client?: Certificate) {
  const socket = await open(client);
  try {
    return [socket.getPeerX509Certificate()?.subject, await ask(socket)];
  } finally {
    socket.destroy();
  }
}

/** Replaces a file in one step. */
async function replace(name: string, from: string): Promise<void> {
  await copyFile(from, join(folder, 'next'));
  await rename(join(folder, 'next'), join(folder, name));
}

const logged = (text: string) =>
  vi.waitFor(() => expect(logLines.filter((line) => line.includes(text)).length).toBeGreaterThan(0), {
    timeout: 10_000,
    interval: 10,
  });

it('uses a new certificate and key for new connections, and keeps the old connections', async () => {
  const before = await open();
  expect(await connection()).toEqual(['CN=server-1', 'none']);
  const server = await authority.issue('server-2');
  await replace('tls.key', server.files.key);
  await replace('tls.crt', server.files.cert);
  await logged('use the changed files');
  expect(await connection()).toEqual(['CN=server-2', 'none']);
  expect(await ask(before)).toBe('none');
  before.destroy();
});

it('notices that a folder of files is replaced through a link, as Kubernetes does', async () => {
  const server = await authority.issue('server-3');
  await rename(folder, `${folder}-1`);
  await symlink(`${folder}-1`, folder);
  await copyFile(server.files.cert, `${folder}-1/tls.crt`);
  await copyFile(server.files.key, `${folder}-1/tls.key`);
  await logged('use the changed files');
  expect(await connection()).toEqual(['CN=server-3', 'none']);
  await rm(`${folder}-1`, { recursive: true });
});

it('accepts a client certificate of a new authority, and no longer one of the old authority', async () => {
  const [old, client] = await Promise.all([
    authority.issue('elasticsearch'),
    strangers.issue('elasticsearch'),
  ]);
  expect((await connection(old))[1]).toBe('accepted');
  expect((await connection(client))[1]).toBe('none');
  await replace('ca.crt', strangers.certFile);
  await replace('ca.crl', strangers.crlFile);
  await vi.waitFor(async () => expect((await connection(client))[1]).toBe('accepted'), { timeout: 10_000 });
  expect((await connection(old))[1]).toBe('none');
});

it('refuses a certificate from new connections once it is in the revocation list', async () => {
  const client = await authority.issue('elasticsearch');
  const other = await authority.issue('other', { names: ['DNS=elasticsearch'] });
  expect((await connection(client))[1]).toBe('accepted');
  await authority.revoke(client.files.cert);
  await replace('ca.crl', authority.crlFile);
  await logged('use the changed files');
  expect((await connection(client))[1]).toBe('none');
  expect((await connection(other))[1]).toBe('accepted');
});

it.each(['tls.key', 'tls.crt'])('refuses a revoked certificate although %s is missing', async (name) => {
  const client = await authority.issue('elasticsearch');
  await rm(join(folder, name));
  await logged('the file cannot be read (ENOENT)');
  expect((await connection(client))[1]).toBe('accepted');
  await authority.revoke(client.files.cert);
  await replace('ca.crl', authority.crlFile);
  await logged('use the changed files');
  expect(await connection(client)).toEqual(['CN=server-1', 'none']);
});

it('refuses the certificates of a removed authority although the key is invalid', async () => {
  const client = await authority.issue('elasticsearch');
  await writeFile(join(folder, 'tls.key'), 'no PEM');
  await replace('ca.crt', strangers.certFile);
  await replace('ca.crl', strangers.crlFile);
  await vi.waitFor(async () => expect((await connection(client))[1]).toBe('none'), { timeout: 10_000 });
});

it('uses a new certificate although the revocation list is missing, and keeps the former list', async () => {
  const client = await authority.issue('elasticsearch');
  await authority.revoke(client.files.cert);
  await replace('ca.crl', authority.crlFile);
  await logged('use the changed files');
  await rm(join(folder, 'ca.crl'));
  const server = await authority.issue('server-4');
  await replace('tls.key', server.files.key);
  await replace('tls.crt', server.files.cert);
  await vi.waitFor(async () => expect(await connection(client)).toEqual(['CN=server-4', 'none']), {
    timeout: 10_000,
  });
});

it.each([
  ['tls.crt', 'TLS_CERT_FILE'],
  ['tls.key', 'TLS_KEY_FILE'],
  ['ca.crt', 'TLS_CLIENT_CA_FILE'],
  ['ca.crl', 'TLS_CLIENT_CRL_FILE'],
])('keeps the previous files while %s is invalid, logs what to do, and recovers', async (name, setting) => {
  const client = await authority.issue('elasticsearch-4', { names: ['DNS=elasticsearch'] });
  const valid = await readFile(join(folder, name));
  await writeFile(join(folder, name), 'no PEM');
  await logged(`${setting}: `);
  expect(logLines.join('')).toContain('correct the file of the setting that the error names');
  expect(await connection(client)).toEqual(['CN=server-1', 'accepted']);
  await writeFile(join(folder, name), valid);
  await logged('valid again');
  expect(await connection(client)).toEqual(['CN=server-1', 'accepted']);
});

it('shows when the certificate expires', async () => {
  const socket = await open();
  const expiresAt = socket.getPeerX509Certificate()?.validToDate.getTime();
  socket.destroy();
  const { values } = await (registry.getSingleMetric('iam_certificate_expiry_timestamp_seconds')?.get() ?? {
    values: [],
  });
  expect(values).toEqual([{ labels: { setting: 'TLS_CERT_FILE' }, value: Number(expiresAt) / 1_000 }]);
});

describe('revocation lists', () => {
  const expiry = async () =>
    ((await registry.getSingleMetric('iam_crl_expiry_timestamp_seconds')?.get())?.values ?? []).map(
      ({ value }) => value,
    );
  /** Takes a list of the strangers, so that the other tests keep theirs. */
  const listUntil = async (nextUpdate: string) => {
    await strangers.writeList('20200101000000Z', nextUpdate);
    await replace('ca.crl', strangers.crlFile);
    await replace('ca.crt', strangers.certFile);
  };
  afterEach(() => strangers.revoke());

  it.each([
    ['20310203040506Z', Date.UTC(2031, 1, 3, 4, 5, 6) / 1_000],
    ['20600203040506Z', Date.UTC(2060, 1, 3, 4, 5, 6) / 1_000],
  ])('shows when the list expires: %s', async (nextUpdate, seconds) => {
    const [before] = await expiry();
    expect(Math.abs((before ?? 0) - Date.now() / 1_000 - 86_400)).toBeLessThan(600);
    await listUntil(nextUpdate);
    await expect.poll(expiry, { timeout: 10_000 }).toEqual([seconds]);
  });

  it('logs once a minute that an expired list makes client certificates invalid, and nothing without one', async () => {
    const client = await strangers.issue('elasticsearch');
    await listUntil('20200102000000Z');
    await expect.poll(expiry, { timeout: 10_000 }).toEqual([Date.UTC(2020, 0, 2) / 1_000]);
    expect(await connection()).toEqual(['CN=server-1', 'none']);
    const about = () => logLines.filter((line) => line.includes('a client certificate is not valid'));
    expect(about()).toEqual([]);
    expect(logLines.join('')).toContain('the revocation list has expired');
    for (let times = 0; times < 3; times += 1)
      expect(await connection(client)).toEqual(['CN=server-1', 'none']);
    expect(about()).toEqual([expect.stringContaining('CRL_HAS_EXPIRED')]);
  });
});

it('logs once a minute why handshakes fail', async () => {
  const { port } = app.server.address() as { port: number };
  for (let times = 0; times < 3; times += 1) {
    const socket = connectTcp(port, '127.0.0.1').on('error', () => {});
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await once(socket, 'close');
  }
  await logged('a TLS handshake with a client failed');
  expect(logLines.filter((line) => line.includes('handshake'))).toEqual([
    expect.stringContaining('ERR_SSL_HTTP_REQUEST'),
  ]);
});
