import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { CertificateAuthority } from '../../support/certificates.ts';
import { iam } from '../../support/iam.ts';

/** A Postgres server as far as the start of TLS: whether a client trusts it is all that matters here. */
let server: Server;
let authority: CertificateAuthority;
let trusted = 0;
let base: string;
beforeAll(async () => {
  authority = await CertificateAuthority.create();
  const { cert, key } = await authority.issue('localhost');
  server = createServer((socket) => {
    socket.on('error', () => {});
    // The request for TLS, to which the server agrees.
    socket.once('data', () => {
      socket.write('S');
      const secure = new TLSSocket(socket, { isServer: true, cert, key });
      secure.on('error', () => {});
      secure.once('data', () => {
        trusted += 1;
        secure.destroy();
      });
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `postgres://u:s3cr3t@localhost:${(server.address() as AddressInfo).port}/iam`;
});
beforeEach(() => {
  trusted = 0;
});
afterAll(async () => {
  server?.close();
  await authority?.remove();
});

const list = (primary: string, environment = {}) =>
  iam(['region', 'list', '--primary', primary], environment);

it.each(['', '&sslmode=require'])(
  'sslrootcert=system%s sends nothing to a server whose authority this process does not trust',
  async (more) => {
    const { exitCode, stderr } = await list(`${base}?sslrootcert=system${more}`);
    expect([exitCode, trusted]).toEqual([1, 0]);
    expect(stderr).toMatch(/certificate/);
  },
);

it('sslrootcert=system trusts the authorities of Node.js, for a database of a setting too', async () => {
  const environment = { NODE_EXTRA_CA_CERTS: authority.certFile };
  await list(`${base}?sslrootcert=system`, environment);
  expect(trusted).toBe(1);
  await iam(['keys', 'list'], { ...environment, PRIMARY_DATABASE_URL: `${base}?sslrootcert=system` });
  expect(trusted).toBe(2);
});

it('sslrootcert=<file> trusts the authority of the file', async () => {
  await list(`${base}?sslmode=verify-full&sslrootcert=${authority.certFile}`);
  expect(trusted).toBe(1);
});

it('says of a missing file that both hosts need it', async () => {
  const { stderr } = await list(`${base}?sslmode=verify-full&sslrootcert=/none/ca.pem`);
  expect(stderr).toMatch(/cannot be read on this host \(ENOENT\).*same path.*server of the region/);
  expect(stderr).not.toContain('s3cr3t');
  expect(trusted).toBe(0);
});
