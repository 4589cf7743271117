import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabases, type TestDatabases } from '../../../support/databases.ts';
import { revokeKey } from '../../../support/keys.ts';
import { Load } from '../../../support/load.ts';
import { insertKeys } from '../../../support/many-keys.ts';
import { metric, type Pods, startPods } from '../../../support/pods.ts';
import { startRegional } from '../../../support/regional.ts';

const KEYS = 300;

let databases: TestDatabases;
let directory: string;
let file: string;
let pods: Pods;

beforeAll(async () => {
  databases = await createDatabases();
  directory = await mkdtemp(join(tmpdir(), 'iam-handover-'));
  file = join(directory, 'memo');
  pods = await startPods(1, databases.replicaUrl, undefined, {
    HANDOVER_FILE: file,
    CACHE_KEYS: randomBytes(32).toString('base64'),
  });
});
afterAll(async () => {
  await pods?.stop();
  await databases?.close();
  await rm(directory, { recursive: true, force: true });
});

type Key = Awaited<ReturnType<typeof insertKeys>>[number];

async function newKeys(): Promise<Key[]> {
  const keys = await insertKeys(databases.primary, KEYS);
  await databases.replicated();
  return keys;
}

async function outcomes(keys: readonly Key[]): Promise<Record<string, number>> {
  const load = new Load();
  await load.callAll(
    pod(),
    keys.map(({ authorization }) => authorization),
  );
  return load.report().outcomes;
}

const pod = () => pods.all[0] as Pods['all'][number];
const argon2Runs = async () => (await metric(pod(), 'iam_argon2_run_seconds_count')) ?? 0;

it('needs no argon2 without Redis for what the pod verified before it stopped, also after two restarts', async () => {
  const keys = await newKeys();
  expect(await outcomes(keys)).toEqual({ 200: KEYS });
  expect(await argon2Runs()).toBe(KEYS);

  await pods.restart();
  expect(await readdir(directory), 'the pod that starts removes the file').toEqual([]);
  expect(await outcomes(keys.slice(0, KEYS / 2))).toEqual({ 200: KEYS / 2 });
  expect(await argon2Runs()).toBe(0);

  await pods.restart();
  expect(await outcomes(keys)).toEqual({ 200: KEYS });
  expect(await argon2Runs()).toBe(0);
});

it('refuses keys that were revoked while no pod ran, although the file has their secrets', async () => {
  const keys = await newKeys();
  expect(await outcomes(keys)).toEqual({ 200: KEYS });
  await pods.stop();
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  for (const { id } of keys.slice(0, 5)) await revokeKey(databases.primary, id);
  await databases.replicated();
  await pods.restart();
  expect(await outcomes(keys.slice(0, 5))).toEqual({ '401 0xD38358': 5 });
  expect(await outcomes(keys.slice(5))).toEqual({ 200: KEYS - 5 });
});

it('starts with a damaged file and verifies the secrets again', async () => {
  const keys = await newKeys();
  expect(await outcomes(keys)).toEqual({ 200: KEYS });
  await pods.stop();
  await writeFile(file, 'damaged');
  await pods.restart();
  expect(pod().logLines.filter((line) => line.includes('HANDOVER_FILE is ignored'))).toHaveLength(1);
  expect(await outcomes(keys)).toEqual({ 200: KEYS });
  expect(await argon2Runs()).toBe(KEYS);
});

it('a pod logs at its start that it cannot leave its file, and serves', async () => {
  const pod = await startRegional(databases.replicaUrl, {
    HANDOVER_FILE: join(directory, 'missing', 'memo'),
    CACHE_KEYS: randomBytes(32).toString('base64'),
  });
  try {
    expect(pod.logLines.join('')).toContain('HANDOVER_FILE cannot be written when this pod stops');
  } finally {
    await pod.close();
  }
});
