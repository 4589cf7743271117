import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../support/control-plane.ts';
import { insertKey } from '../../support/keys.ts';
import { createPrimary, type TestPrimary } from '../../support/primary.ts';
import { startTcpProxy, type TcpProxy } from '../../support/servers/tcp-proxy.ts';

const KEYS = '/api/v1/users/auth/keys';

let primary: TestPrimary;
let proxy: TcpProxy;
let controlPlane: TestControlPlane;
beforeAll(async () => {
  primary = await createPrimary();
  const url = new URL(primary.controlPlaneUrl);
  proxy = await startTcpProxy({ targetPort: Number(url.port) });
  url.port = String(proxy.port);
  await proxy.cut();
  controlPlane = await startTestControlPlane(
    { DATABASE_QUERY_TIMEOUT_MS: '500', DATABASE_CONNECT_TIMEOUT_MS: '500' },
    { ...primary, controlPlaneUrl: url.href },
  );
});
afterAll(async () => {
  await controlPlane?.close();
  await proxy?.close();
  await primary?.close();
});
const probe = async (path: string) => (await fetch(`${controlPlane.managementUrl}${path}`)).status;

it('starts while the primary is down, and becomes ready when it is up', async () => {
  expect([await probe('/livez'), await probe('/startupz'), await probe('/readyz')]).toEqual([200, 503, 503]);
  await proxy.restore();
  await expect.poll(() => probe('/readyz'), { timeout: 10_000 }).toBe(200);
  expect(await probe('/startupz')).toBe(200);
});

it('delivers a notice to the webhook of its settings, which the published library verifies', async () => {
  const received = Promise.withResolvers<{ headers: IncomingHttpHeaders; body: string }>();
  const receiver = createServer((request, response) => {
    text(request).then((body) => {
      received.resolve({ headers: request.headers, body });
      response.writeHead(204).end();
    }, received.reject);
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const secret = `whsec_${randomBytes(24).toString('base64')}`;
  await insertKey(primary.pool, { expiresAt: new Date(Date.now() + 3_600_000), createdAt: new Date(0) });
  const sender = await startTestControlPlane(
    {
      EXPIRY_WEBHOOK_URL: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`,
      EXPIRY_WEBHOOK_SECRET: secret,
    },
    primary,
  );
  try {
    const { headers, body } = await received.promise;
    expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toMatchObject({
      type: 'api_key.expiring',
      data: { days_ahead: 1 },
    });
  } finally {
    await sender.close();
    receiver.close();
  }
});

it('writes the heartbeat every second', async () => {
  const beat = async () =>
    (await primary.pool.query('SELECT beat_at FROM heartbeat')).rows[0].beat_at.getTime();
  const first = await beat();
  await expect.poll(beat, { timeout: 5_000 }).toBeGreaterThan(first);
});

it('returns 503 in bounded time while the primary is silent, and recovers with it', async () => {
  const owner = await newOrganization(primary.pool);
  proxy.blackhole();
  const began = performance.now();
  const response = await callApi(controlPlane, 'POST', KEYS, owner.authorization, {
    body: { description: 'x' },
  });
  expect([response.status, response.body.errors[0].code]).toEqual([503, 'root.unavailable']);
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(await probe('/readyz')).toBe(200);
  await proxy.restore();
  const create = async () =>
    (await callApi(controlPlane, 'POST', KEYS, owner.authorization, { body: { description: 'x' } })).status;
  await expect.poll(create, { timeout: 10_000 }).toBe(201);
});

it('survives a connection that ends during a transaction, and serves the next call', async () => {
  const owner = await newOrganization(primary.pool);
  const create = () =>
    callApi(controlPlane, 'POST', KEYS, owner.authorization, { body: { description: 'x' } });
  for (let round = 0; round < 5; round += 1) {
    const attempts = [create(), create(), create()];
    await primary.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'iam-control-plane' AND datname = current_database()`,
    );
    for (const { status } of await Promise.all(attempts)) expect([201, 503]).toContain(status);
  }
  await expect.poll(async () => (await create()).status, { timeout: 10_000 }).toBe(201);
});

it('labels metrics by route and status, never by key or organization', async () => {
  const owner = await newOrganization(primary.pool);
  await callApi(controlPlane, 'GET', `${KEYS}/${owner.id}`, owner.authorization);
  const text = await (await fetch(`${controlPlane.managementUrl}/metrics`)).text();
  expect(text).toContain('route="/api/v1/users/auth/keys/:id",status="200"');
  expect(text).toContain('iam_heartbeat_failures_total');
  expect(text).not.toContain(owner.id);
  expect(text).not.toContain(owner.organizationId);
});

it('has a login that cannot drop, alter, delete keys or change audit events', async () => {
  const { Client } = await import('pg').then((module) => module.default);
  const client = new Client({ connectionString: primary.controlPlaneUrl });
  await client.connect();
  try {
    for (const sql of [
      'DROP TABLE api_keys',
      'ALTER TABLE api_keys ADD COLUMN x int',
      'DELETE FROM api_keys',
      'TRUNCATE api_keys',
      'UPDATE audit_events SET reason = NULL',
      'DELETE FROM audit_events',
      'ALTER TABLE audit_events DISABLE TRIGGER ALL',
      'DELETE FROM organizations',
      'CREATE TABLE x ()',
    ]) {
      await expect(client.query(sql), sql).rejects.toThrow(/permission denied|must be owner/);
    }
  } finally {
    await client.end();
  }
});
