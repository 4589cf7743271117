import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../../dev/ports.ts';
import { newOrganization } from '../../support/control-plane.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { iam } from '../../support/iam.ts';
import { insertKey } from '../../support/keys.ts';
import { createPrimary, type TestPrimary } from '../../support/primary.ts';
import { authenticate } from '../../support/regional.ts';

const main = fileURLToPath(new URL('../../../src/main.js', import.meta.url));
/** Writes fail as on a full disk. */
const FULL = '/dev/full';

let databases: TestDatabases;
let primary: TestPrimary;
beforeAll(async () => {
  [databases, primary] = await Promise.all([createDatabases(), createPrimary()]);
});
afterAll(async () => {
  await primary?.close();
  await databases?.close();
});

function run(args: readonly string[], settings: Record<string, string>, output: number | 'pipe') {
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env.PATH, CREDENTIAL_PREFIX: 'essu_dev', ...settings },
    stdio: ['ignore', output, 'pipe'],
  });
  const errors = text(child.stderr as NodeJS.ReadableStream);
  const exit = once(child, 'exit').then(([code]) => code as number | null);
  return { child, errors, exit };
}

describe('a service whose log cannot be written', () => {
  it.each(['a full disk', 'a reader that is gone'])('keeps authenticating: %s', async (cause) => {
    const [port, managementPort] = [await freePort(), await freePort()];
    const { child, errors, exit } = run(
      ['regional'],
      {
        REPLICA_DATABASE_URL: databases.replicaUrl,
        REGIONAL_PORT: String(port),
        MANAGEMENT_PORT: String(managementPort),
        LOG_LEVEL: 'debug',
      },
      cause === 'a full disk' ? openSync(FULL, 'w') : 'pipe',
    );
    child.stdout?.destroy();
    const ready = () =>
      fetch(`http://127.0.0.1:${managementPort}/readyz`).then(
        ({ status }) => status,
        () => 0,
      );
    await expect.poll(ready, { timeout: 10_000 }).toBe(200);
    const key = await insertKey(databases.primary);
    await databases.replicated();
    const pod = { url: `http://127.0.0.1:${port}` };
    for (let call = 0; call < 20; call += 1) {
      expect((await authenticate(pod, 'ApiKey wrong')).status).toBe(401);
      expect((await authenticate(pod, key.authorization)).status).toBe(200);
    }
    child.kill('SIGTERM');
    expect([await exit, await errors]).toEqual([
      0,
      expect.stringMatching(/^Log lines are lost: standard output cannot be written \((ENOSPC|EPIPE)\)\.\n$/),
    ]);
  });
});

describe('a command whose output cannot be written', () => {
  it('names a new key, whose credential is lost', async () => {
    await newOrganization(primary.pool);
    const { errors, exit } = run(
      ['keys', 'create', '--description', 'lost', '--project', 'elasticsearch:p=viewer'],
      { PRIMARY_DATABASE_URL: primary.controlPlaneUrl },
      openSync(FULL, 'w'),
    );
    expect(await exit).toBe(1);
    const { rows } = await primary.pool.query("SELECT id FROM api_keys WHERE description = 'lost'");
    expect(await errors).toBe(
      `error: The output cannot be written (ENOSPC). The credential of the key ${rows[0].id} is lost: rotate or revoke this key.\n`,
    );
  });

  it('prints one sentence, and nothing if the reader has enough', async () => {
    const environment = { PRIMARY_DATABASE_URL: primary.controlPlaneUrl };
    const full = run(['keys', 'list'], environment, openSync(FULL, 'w'));
    expect([await full.exit, await full.errors]).toEqual([
      1,
      'error: The output cannot be written (ENOSPC).\n',
    ]);
    const closed = run(['keys', 'list'], environment, 'pipe');
    closed.child.stdout?.destroy();
    expect([await closed.exit, await closed.errors]).toEqual([0, '']);
  });
});

describe('a file of settings', () => {
  it('that cannot be read is one sentence, and exit code 2', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'iam-settings-'));
    try {
      for (const [path, code] of [
        [join(folder, 'none'), 'ENOENT'],
        [folder, 'EISDIR'],
      ] as const) {
        expect(await iam(['--settings', path, 'keys', 'list'])).toEqual({
          exitCode: 2,
          stdout: '',
          stderr: `error: The file ${path} of --settings cannot be read (${code}).\n`,
        });
      }
      const file = join(folder, 'own.env');
      await writeFile(file, `PRIMARY_DATABASE_URL=${primary.controlPlaneUrl}\n`);
      expect((await iam(['--settings', file, 'keys', 'list'])).exitCode).toBe(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

it('a profile that cannot be written is one sentence, and leaves no file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'iam-profile-'));
  try {
    // A folder in the place of the file: the last step of the write fails, also for root.
    await mkdir(join(folder, 'iam', 'profiles.json', 'x'), { recursive: true, mode: 0o700 });
    const { writeProfiles } = await import('../../../src/cli/profiles.ts');
    const file = join(folder, 'iam', 'profiles.json');
    expect(() => writeProfiles({}, file)).toThrow(`${file} cannot be written (`);
    expect(await readdir(join(folder, 'iam'))).toEqual(['profiles.json']);
  } finally {
    await rm(folder, { recursive: true });
  }
});
