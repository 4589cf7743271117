import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { type IssuedKey, insertKey } from '../../support/keys.ts';
import { authenticate, startRegional, type TestRegional } from '../../support/regional.ts';

const OLD = 'old-client-secret';
const NEW = 'new-client-secret';
const FORWARDING = 'a-forwarding-secret';

let folder: string;
let databases: TestDatabases;
let regional: TestRegional;
let internal: IssuedKey;
let external: IssuedKey;

beforeAll(async () => {
  databases = await createDatabases();
  folder = await mkdtemp(join(tmpdir(), 'iam-rotation-'));
  await write(OLD);
  await writeFile(join(folder, 'forwarding'), FORWARDING);
  internal = await insertKey(databases.primary, { internal: true });
  external = await insertKey(databases.primary);
  await databases.replicated();
  regional = await startRegional(databases.replicaUrl, {
    CLIENT_AUTHENTICATION_SECRETS: '',
    CLIENT_AUTHENTICATION_SECRETS_FILE: join(folder, 'secrets'),
    FORWARDING_SECRETS: '',
    FORWARDING_SECRETS_FILE: join(folder, 'forwarding'),
    DATABASE_CONNECT_TIMEOUT_MS: '10000',
  });
});
afterAll(async () => {
  await regional?.close();
  await databases?.close();
  await rm(folder, { recursive: true, force: true });
});

async function write(text: string): Promise<void> {
  await writeFile(join(folder, 'next'), `${text}\n`);
  await rename(join(folder, 'next'), join(folder, 'secrets'));
}

async function ask(secret: string): Promise<number> {
  const headers = { 'x-client-authentication': secret };
  return (await authenticate(regional, internal.authorization, { headers })).status;
}

const eventually = (secret: string, status: number) =>
  vi.waitFor(async () => expect(await ask(secret)).toBe(status), { timeout: 15_000, interval: 20 });

it('a rotation of the secrets in a file needs no restart and refuses no request of a valid secret', async () => {
  const refused: number[] = [];
  let secret = OLD;
  let ended = false;
  const caller = (async () => {
    while (!ended) {
      const status = await ask(secret);
      if (status !== 200) refused.push(status);
    }
  })();
  await write(`${OLD},${NEW}`);
  await eventually(NEW, 200);
  secret = NEW;
  // Its responses are cached, and must not outlive the secret.
  expect(await ask(OLD)).toBe(200);
  await write(NEW);
  await eventually(OLD, 401);
  ended = true;
  await caller;
  expect(refused).toEqual([]);
  expect((await authenticate(regional, external.authorization)).status).toBe(200);
}, 60_000);

it('an invalid file keeps the previous secrets and is logged without its content', async () => {
  for (const text of ['', 's3cr3t']) {
    const before = regional.logLines.length;
    await write(text);
    await vi.waitFor(
      () => expect(regional.logLines.slice(before).join('')).toContain('keeps the previous secrets'),
      { timeout: 15_000, interval: 20 },
    );
    expect(await ask(NEW)).toBe(200);
    await write(NEW);
    await vi.waitFor(() => expect(regional.logLines.slice(before).join('')).toContain('valid again'), {
      timeout: 15_000,
      interval: 20,
    });
  }
  expect(regional.logLines.join('')).not.toMatch(/s3cr3t|client-secret/);
}, 60_000);

it('a removed secret is refused although the file of other secrets cannot be read', async () => {
  await write(`${OLD},${NEW}`);
  await eventually(OLD, 200);
  const before = regional.logLines.length;
  await rm(join(folder, 'forwarding'));
  await vi.waitFor(
    () =>
      expect(regional.logLines.slice(before).join('')).toContain('FORWARDING_SECRETS_FILE: the file cannot'),
    { timeout: 15_000, interval: 20 },
  );
  await write(NEW);
  await eventually(OLD, 401);
  expect(await ask(NEW)).toBe(200);
  await writeFile(join(folder, 'forwarding'), FORWARDING);
  await vi.waitFor(() => expect(regional.logLines.slice(before).join('')).toContain('valid again'), {
    timeout: 15_000,
    interval: 20,
  });
}, 60_000);
