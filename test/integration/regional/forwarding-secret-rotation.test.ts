import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startControlPlaneOf, type TestControlPlane } from '../../support/control-plane.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { call } from '../../support/http-call.ts';
import { authorizationOf, newCredential } from '../../support/keys.ts';
import { metric } from '../../support/pods.ts';
import { startRegional, type TestRegional } from '../../support/regional.ts';

const OLD = 'old-forwarding-secret';
const NEW = 'new-forwarding-secret';

let folder: string;
let databases: TestDatabases;
let controlPlane: TestControlPlane;
let regional: TestRegional;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'iam-rotation-'));
  const settings = (name: string) => ({ FORWARDING_SECRETS_FILE: join(folder, name) });
  await write('control-plane', OLD);
  await write('region', OLD);
  databases = await createDatabases();
  controlPlane = await startControlPlaneOf(databases, settings('control-plane'));
  regional = await startRegional(databases.replicaUrl, {
    CONTROL_PLANE_URL: controlPlane.url,
    ...settings('region'),
  });
});
afterAll(async () => {
  await regional?.close();
  await controlPlane?.close();
  await databases?.close();
  await rm(folder, { recursive: true, force: true });
});

async function write(name: string, text: string): Promise<void> {
  await writeFile(join(folder, 'next'), `${text}\n`);
  await rename(join(folder, 'next'), join(folder, name));
}

/** Replaces the file of a process, and resolves when it uses the new secrets. */
async function replace(name: 'control-plane' | 'region', text: string): Promise<void> {
  const { logLines } = name === 'region' ? regional : controlPlane;
  const before = logLines.length;
  await write(name, text);
  await vi.waitFor(() => expect(logLines.slice(before).join('')).toContain('FORWARDING_SECRETS changed'), {
    timeout: 15_000,
    interval: 20,
  });
}

const counted = (result: string) => metric(controlPlane, `iam_forwarded_requests_total{result="${result}"}`);

/** Has the region forward a call, and returns how the control plane counts its secret. */
async function forward(): Promise<'accepted' | 'refused'> {
  const before = await counted('accepted');
  const { status } = await call(`${regional.url}/uiam/api/v1/api-keys/unknown`, {
    method: 'DELETE',
    headers: { authorization: authorizationOf(newCredential()) },
  });
  expect(status).toBe(401);
  return (await counted('accepted')) === before ? 'refused' : 'accepted';
}

it('the secrets of FORWARDING_SECRETS rotate without a restart, and each forwarded call has one that counts', async () => {
  expect(await forward()).toBe('accepted');
  await replace('control-plane', `${OLD},${NEW}`);
  await replace('region', `${OLD},${NEW}`);
  expect(await forward()).toBe('accepted');
  await replace('region', `${NEW},${OLD}`);
  expect(await forward()).toBe('accepted');
  await replace('control-plane', NEW);
  expect(await forward()).toBe('accepted');
  expect(await counted('refused')).toBe(0);

  await replace('region', OLD);
  expect(await forward(), 'a removed secret').toBe('refused');
  expect(regional.logLines.concat(controlPlane.logLines).join('')).not.toMatch(/(old|new)-forwarding-secret/);
}, 90_000);
