import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { Database } from '../../../../src/control-plane/database.ts';
import { ExpiryWatch } from '../../../../src/control-plane/expiry/expiry-watch.ts';
import { ControlPlaneMetrics } from '../../../../src/control-plane/metrics.ts';
import { createPool } from '../../../../src/database/pool.ts';
import { newOrganization } from '../../../support/control-plane.ts';
import { insertKey } from '../../../support/keys.ts';
import { createPrimary, type TestPrimary } from '../../../support/primary.ts';

const SECRET = `whsec_${Buffer.from('a secret of this test').toString('base64')}`;
const DAY_MS = 86_400_000;
const START_MS = Date.parse('2030-01-01T00:00:00Z');

let primary: TestPrimary;
let database: Database;
let end: () => Promise<void>;
let receiver: Server;
let url: string;
let status: number;
let received: { headers: IncomingHttpHeaders; body: string }[];
let nowMs: number;
beforeAll(async () => {
  primary = await createPrimary();
  const pool = createPool(primary.controlPlaneUrl, {
    applicationName: 'test',
    size: 4,
    connectTimeoutMs: 5_000,
    queryTimeoutMs: 5_000,
    onIdleError: () => {},
  });
  database = new Database(pool);
  end = () => pool.end();
  receiver = createServer((request, response) => {
    void text(request).then((body) => {
      received.push({ headers: request.headers, body });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
});
afterAll(async () => {
  await end?.();
  await primary?.close();
  receiver?.close();
});
beforeEach(async () => {
  received = [];
  status = 200;
  nowMs = START_MS;
  await primary.pool.query('DELETE FROM expiry_notices; DELETE FROM api_keys');
});

/** One instance of the control plane's watch, as after a start. */
function instance(secret = SECRET, target = url) {
  const lines: string[] = [];
  const registry = new Registry();
  const metrics = new ControlPlaneMetrics(registry, {
    heartbeat: { failures: 0 },
    clock: { offsetMs: undefined },
    digests: { failures: 0 },
    slots: { current: undefined },
    repairs: { published: 0, failures: 0 },
    verifier: { load: { running: 0, waiting: 0 } },
  });
  const watch = new ExpiryWatch({
    database,
    logger: pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) }),
    metrics,
    now: () => nowMs,
    checkIntervalMs: 3_600_000,
    webhook: { url: target, secret },
  });
  return { check: () => watch.check(), lines, registry };
}

async function key(id: string, lifeDays: number, revoked = false) {
  const { organizationId } = await newOrganization(primary.pool);
  await primary.pool.query(
    `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, created_at, expires_at, revoked_at)
     VALUES ($1, $2, 'about to end', 'none', '{}', 'user-1', $3, $4, $5)`,
    [
      id,
      organizationId,
      new Date(START_MS),
      new Date(START_MS + lifeDays * DAY_MS),
      revoked ? new Date(START_MS) : null,
    ],
  );
}
/** What a receiver reads, after it has verified the signature and the time with the published library. */
function verified(webhook: Webhook): unknown {
  vi.useFakeTimers({ now: nowMs, toFake: ['Date'] });
  const [{ headers, body }] = received as [(typeof received)[0]];
  return webhook.verify(body, headers as Record<string, string>);
}
afterEach(() => void vi.useRealTimers());

const told = () =>
  received.map(({ body }) => JSON.parse(body).data).map((data) => [data.key_id, data.days_ahead]);

it('warns 30, 7 and 1 days before expiry, once each, across instances and restarts', async () => {
  await key('ninety', 90);
  for (const day of [0, 59, 61, 70, 82, 84, 88, 89.5, 91]) {
    nowMs = START_MS + day * DAY_MS;
    // Two instances at once, and a fresh one on every day.
    await Promise.all([instance().check(), instance().check()]);
  }
  expect(told()).toEqual([
    ['ninety', 30],
    ['ninety', 7],
    ['ninety', 1],
  ]);
});

it('does not warn about revoked keys', async () => {
  await key('revoked', 90, true);
  await key('active', 90);
  nowMs = START_MS + 60.5 * DAY_MS;
  await instance().check();
  expect(told()).toEqual([['active', 30]]);
  await primary.pool.query("UPDATE api_keys SET revoked_at = $1 WHERE id = 'active'", [new Date(nowMs)]);
  nowMs = START_MS + 89.5 * DAY_MS;
  await instance().check();
  expect(told()).toHaveLength(1);
});

it('does not warn about keys with a shorter lifetime than the notice, and keys without expiry', async () => {
  const { organizationId } = await newOrganization(primary.pool);
  await insertKey(primary.pool, { organizationId, createdAt: new Date(START_MS), expiresAt: null });
  await key('short', 0.5);
  nowMs = START_MS + 0.25 * DAY_MS;
  await instance().check();
  await key('week', 6);
  await instance().check();
  expect(told()).toEqual([]);
  nowMs = START_MS + 5.5 * DAY_MS;
  await instance().check();
  expect(told()).toEqual([['week', 1]]);
});

it('sends only the nearest warning for a key found late, and new warnings after a new expiration', async () => {
  await key('late', 90);
  nowMs = START_MS + 86 * DAY_MS;
  await instance().check();
  expect(told()).toEqual([['late', 7]]);
  await primary.pool.query("UPDATE api_keys SET expires_at = expires_at + interval '90 days'");
  nowMs = START_MS + 151 * DAY_MS;
  await instance().check();
  expect(told()).toEqual([
    ['late', 7],
    ['late', 30],
  ]);
});

it('writes a log line, counts a metric and posts a signed webhook, without any secret', async () => {
  await key('signed', 90);
  nowMs = START_MS + 60.5 * DAY_MS;
  const { check, lines, registry } = instance();
  await check();
  expect(lines.filter((line) => line.includes('expires within 30 days'))).toHaveLength(1);
  expect(await registry.getSingleMetricAsString('iam_key_expiry_notices_total')).toContain('{days="30"} 1');
  const body = received[0]?.body ?? '';
  expect(verified(new Webhook(SECRET))).toMatchObject({
    type: 'api_key.expiring',
    data: { key_id: 'signed', description: 'about to end', days_ahead: 30 },
  });
  expect(body).not.toContain('none');
});

it('signs with the bytes of a secret that is any text', async () => {
  const secret = 'a secret without a prefix';
  await key('plain', 90);
  nowMs = START_MS + 60.5 * DAY_MS;
  await instance(secret).check();
  expect(verified(new Webhook(secret, { format: 'raw' }))).toMatchObject({ data: { key_id: 'plain' } });
  expect(() => verified(new Webhook(SECRET))).toThrow('No matching signature');
});

it('retries a failed webhook later with the same id, and stops after the first success', async () => {
  await key('retried', 90);
  nowMs = START_MS + 60.5 * DAY_MS;
  status = 500;
  await instance().check();
  await instance().check();
  expect(received).toHaveLength(1);
  status = 204;
  nowMs += 60_000;
  await instance().check();
  nowMs += DAY_MS;
  await instance().check();
  expect(received).toHaveLength(2);
  expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
});

it('retries a failed webhook after the clock went back', async () => {
  status = 500;
  await key('retried', 90);
  nowMs = START_MS + 60.5 * DAY_MS;
  await instance().check();
  nowMs -= DAY_MS / 3;
  status = 204;
  await instance().check();
  expect(received).toHaveLength(2);
});

/** A server that answers every connection with these bytes and the request itself. */
async function echo(head: string): Promise<Server> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (request) => socket.end(`${head}${request}`));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server as unknown as Server;
}

it.each([
  ['refuses the connection', undefined, 'ECONNREFUSED'],
  ['closes the connection', '', 'HTTPParserError'],
  ['does not speak HTTP', 'hello ', 'HTTPParserError'],
  ['redirects', 'HTTP/1.1 302 Found\r\nlocation: /hook/S3CRET\r\ncontent-length: 0\r\n\r\n', 'status 302'],
  ['fails', 'HTTP/1.1 500 S3CRET\r\nconnection: close\r\n\r\n', 'status 500'],
])('logs the reason but not the URL of a webhook that %s', async (_title, head, reason) => {
  await key('failing', 90);
  nowMs = START_MS + 60.5 * DAY_MS;
  const server = await echo(head ?? '');
  const { port } = server.address() as AddressInfo;
  if (head === undefined) await new Promise((resolve) => server.close(resolve));
  const { check, lines } = instance(SECRET, `http://127.0.0.1:${port}/hook/S3CRET?token=S3CRET`);
  await check();
  if (head !== undefined) server.close();
  const failures = lines.filter((line) => line.includes('delivery of an expiry notice failed'));
  expect(failures).toHaveLength(1);
  expect(failures[0]).toContain(reason);
  expect(lines.join('')).not.toContain('S3CRET');
});

it('does not log a URL that fetch refuses', async () => {
  await key('unsendable', 90);
  nowMs = START_MS + 60.5 * DAY_MS;
  const { check, lines } = instance(SECRET, 'http://user:S3CRET@127.0.0.1/hook');
  await check();
  expect(lines.join('')).toContain('the webhook did not respond');
  expect(lines.join('')).not.toContain('S3CRET');
});
