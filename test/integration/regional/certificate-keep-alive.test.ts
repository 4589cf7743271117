import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AUTHENTICATE_PATH } from '../../../src/regional/authentication-call.ts';
import { FastLane } from '../../../src/regional/fast-lane.ts';
import { type Certificate, CertificateAuthority } from '../../support/certificates.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { type IssuedKey, insertKey } from '../../support/keys.ts';
import { startRegional, type TestRegional } from '../../support/regional.ts';

// Elasticsearch keeps its connections open, so their requests take the plain lane, which reads the certificate itself.

let databases: TestDatabases;
let authority: CertificateAuthority;
let strangers: CertificateAuthority;
let regional: TestRegional;
let internal: IssuedKey;
let external: IssuedKey;
/** Observes the requests that reach the plain lane. */
const laneResponds = vi.spyOn(FastLane.prototype, 'respond');

beforeAll(async () => {
  [databases, authority, strangers] = await Promise.all([
    createDatabases(),
    CertificateAuthority.create(),
    CertificateAuthority.create(),
  ]);
  const server = await authority.issue('server');
  internal = await insertKey(databases.primary, { internal: true });
  external = await insertKey(databases.primary);
  await databases.replicated();
  regional = await startRegional(databases.replicaUrl, {
    TLS_CERT_FILE: server.files.cert,
    TLS_KEY_FILE: server.files.key,
    TLS_CLIENT_CA_FILE: authority.certFile,
    CLIENT_CERTIFICATE_NAMES: 'elasticsearch',
    DATABASE_CONNECT_TIMEOUT_MS: '10000',
  });
});
afterAll(async () => {
  laneResponds.mockRestore();
  await regional?.close();
  await databases?.close();
  await authority?.remove();
  await strangers?.remove();
});

/** Sends each key twice over one connection that stays open. @returns the statuses, and what the lane took the client for */
async function askOverOneConnection(client: Certificate | undefined, keys: IssuedKey[]) {
  laneResponds.mockClear();
  const socket = connect({
    host: '127.0.0.1',
    port: Number(new URL(regional.url).port),
    rejectUnauthorized: false, // the test is about the certificate of the client
    ...client,
  });
  await once(socket, 'secureConnect');
  const statuses: number[] = [];
  // The second request of a key finds the cached response of the first.
  for (const key of keys.flatMap((one) => [one, one])) {
    socket.write(
      `POST ${AUTHENTICATE_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
        `Authorization: ${key.authorization}\r\nContent-Length: 2\r\n\r\n{}`,
    );
    statuses.push(await nextStatus(socket));
  }
  const isOpen = !socket.destroyed && socket.writable;
  socket.destroy();
  return {
    statuses,
    isOpen,
    lane: laneResponds.mock.calls.map(([, client]) => client.certificate),
  };
}

/** Reads one response and returns its status. */
async function nextStatus(socket: TLSSocket): Promise<number> {
  let text = '';
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    text += chunk.toString('latin1');
    const [head = '', body] = text.split('\r\n\r\n');
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
    if (body !== undefined && body.length >= length) return Number(text.slice(9, 12));
  }
}

describe('on a TLS connection that stays open', () => {
  it('a client without a certificate uses external keys only', async () => {
    expect(await askOverOneConnection(undefined, [internal, external])).toEqual({
      statuses: [401, 401, 200, 200],
      isOpen: true,
      lane: [false, false, false, false],
    });
  });

  it('a client with a certificate of another CA uses external keys only', async () => {
    const stranger = await strangers.issue('elasticsearch');
    expect(await askOverOneConnection(stranger, [internal, external])).toEqual({
      statuses: [401, 401, 200, 200],
      isOpen: true,
      lane: [false, false, false, false],
    });
  });

  it('a client with a certificate of the configured CA uses internal keys only', async () => {
    const client = await authority.issue('elasticsearch');
    expect(await askOverOneConnection(client, [internal, external])).toEqual({
      statuses: [200, 200, 401, 401],
      isOpen: true,
      lane: [true, true, true, true],
    });
  });
});
