import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import fastify, { type FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { ClientAddresses } from '../../../src/http/client-addresses.ts';
import { ConnectionLimits } from '../../../src/http/connection-limits.ts';
import { listeningUrl } from '../../../src/http/listening-url.ts';
import { serverOptions } from '../../../src/http/server-options.ts';
import { Traffic } from '../../../src/http/traffic.ts';
import { CertificateAuthority } from '../../support/certificates.ts';

const addresses = new ClientAddresses(['10.0.0.0/8']);
const peer = (remoteAddress: string) => addresses.peerOf({ remoteAddress });

describe('the counts', () => {
  it('refuse what is beyond a limit, and admit again after a close', () => {
    const limits = new ConnectionLimits({ max: 3, maxPerClient: 2 });
    const [first, second] = [peer('192.0.2.1'), peer('192.0.2.2')];
    expect([limits.add(first), limits.add(first)]).toEqual([undefined, undefined]);
    expect(limits.add(first)).toBe('connections_per_address');
    expect([limits.add(second), limits.add(second)]).toEqual([undefined, 'connections']);
    limits.close(first);
    expect(limits.add(first)).toBeUndefined();
    expect(limits.open).toBe(3);
  });

  it('treat an IPv6 /64 as one client', () => {
    const limits = new ConnectionLimits({ max: 10, maxPerClient: 1 });
    expect(limits.add(peer('2001:db8::1'))).toBeUndefined();
    expect(limits.add(peer('2001:db8::2:1'))).toBe('connections_per_address');
    expect(limits.add(peer('2001:db8:0:1::1'))).toBeUndefined();
  });

  it('limit a trusted proxy only together with all others', () => {
    const limits = new ConnectionLimits({ max: 3, maxPerClient: 1 });
    const proxy = peer('10.0.0.1');
    expect([1, 2, 3, 4].map(() => limits.add(proxy))).toEqual([
      undefined,
      undefined,
      undefined,
      'connections',
    ]);
  });
});

describe('a server', () => {
  const open: Socket[] = [];
  let app: FastifyInstance;
  let registry: Registry;
  let authority: CertificateAuthority;
  beforeAll(async () => {
    authority = await CertificateAuthority.create();
  });
  afterEach(async () => {
    for (const socket of open.splice(0)) socket.destroy();
    await app.close();
  });
  afterAll(() => authority.remove());

  /** A server with a limit of 10 connections, of which an address may have 4. */
  async function start(settings: Record<string, string> = {}): Promise<number> {
    registry = new Registry();
    const config = loadConfig({ MAX_CONNECTIONS: '10', MAX_CONNECTIONS_PER_ADDRESS: '4', ...settings });
    app = fastify(
      serverOptions(config, pino({ level: 'silent' }), new Traffic(config, registry)),
    ) as unknown as FastifyInstance;
    app.get('/', async () => 'served');
    await app.listen({ host: '127.0.0.1', port: 0 });
    return Number(new URL(listeningUrl(app)).port);
  }

  /** Opens a connection and sends a request on it. @returns the response, or how the connection ended */
  async function requestFrom(localAddress: string, port: number): Promise<string> {
    const socket = connect({ host: '127.0.0.1', port, localAddress });
    open.push(socket);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    return new Promise((resolve) => {
      socket.once('data', (data) => resolve(String(data)));
      socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(String(code)));
    });
  }

  const refusals = async (reason: string) => {
    const metric = await registry.getSingleMetric('iam_traffic_refusals_total')?.get();
    return metric?.values.find((each) => each.labels['reason'] === reason)?.value;
  };
  const connections = async () =>
    (await registry.getSingleMetric('iam_connections')?.get())?.values[0]?.value;

  it('closes the connections of an address beyond its limit at once, and serves other addresses', async () => {
    const port = await start();
    for (let index = 0; index < 4; index += 1) {
      expect(await requestFrom('127.0.1.1', port)).toContain('served');
    }
    expect(await requestFrom('127.0.1.1', port)).toMatch(/ECONNRESET|EPIPE/);
    expect(await requestFrom('127.0.1.2', port)).toContain('served');
    expect(await refusals('connections_per_address')).toBe(1);
    expect(await refusals('connections')).toBe(0);
    open[0]?.destroy();
    await expect.poll(connections).toBe(4);
    expect(await requestFrom('127.0.1.1', port)).toContain('served');
  });

  it('closes connections beyond the total, and keeps those that are open', async () => {
    const port = await start();
    for (let index = 0; index < 10; index += 1) {
      expect(await requestFrom(`127.0.1.${1 + index}`, port)).toContain('served');
    }
    expect(await requestFrom('127.0.1.20', port)).toMatch(/ECONNRESET|EPIPE/);
    expect(await refusals('connections')).toBe(1);
    const [kept] = open;
    kept?.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(String(await once(kept as Socket, 'data'))).toContain('served');
  });

  it('does not limit the address of a trusted proxy', async () => {
    const port = await start({ TRUSTED_PROXIES: '127.0.1.1' });
    for (let index = 0; index < 6; index += 1) {
      expect(await requestFrom('127.0.1.1', port)).toContain('served');
    }
  });

  it('closes a connection beyond a limit before the TLS handshake, and counts TLS connections until they close', async () => {
    const { files } = await authority.issue('server');
    const port = await start({ TLS_CERT_FILE: files.cert, TLS_KEY_FILE: files.key });
    const tls = () => {
      const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
      open.push(socket);
      socket.on('error', () => {});
      return socket;
    };
    const sockets = [tls(), tls(), tls(), tls()];
    await Promise.all(sockets.map((socket) => once(socket, 'secureConnect')));
    const refused = tls();
    let greeted = false;
    refused.once('secureConnect', () => {
      greeted = true;
    });
    await new Promise((resolve) => refused.once('close', resolve));
    expect(greeted).toBe(false);
    expect(await connections()).toBe(4);
    for (const socket of sockets) socket.destroy();
    await expect.poll(connections).toBe(0);
  });
});
