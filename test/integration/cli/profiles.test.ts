import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../support/control-plane.ts';
import { iam, iamOnTerminal } from '../../support/iam.ts';
import { type IssuedKey, insertKey } from '../../support/keys.ts';
import { startUnreadyRegional } from '../../support/regional.ts';

let controlPlane: TestControlPlane;
let owner: IssuedKey;
let home: string;
let environment: Record<string, string>;
beforeAll(async () => {
  controlPlane = await startTestControlPlane();
  owner = await newOrganization(controlPlane.primary.pool);
});
afterAll(() => controlPlane?.close());
beforeEach(async () => {
  if (home !== undefined) await rm(home, { recursive: true });
  home = await mkdtemp(join(tmpdir(), 'iam-profiles-'));
  environment = { XDG_CONFIG_HOME: home };
});
const file = () => join(home, 'iam', 'profiles.json');
const login = (key: string, ...args: string[]) =>
  iam(['login', '--url', controlPlane.url, ...args], environment, `${key}\n`);

describe('iam login', () => {
  it('stores a key that only the user can read, and other commands use it', async () => {
    const { exitCode, stdout, stderr } = await login(owner.credential);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toContain(owner.id);
    expect(stdout).not.toContain(owner.credential);
    expect((await stat(file())).mode & 0o777).toBe(0o600);
    expect((await stat(join(home, 'iam'))).mode & 0o777).toBe(0o700);
    const { keys } = JSON.parse((await iam(['keys', 'list', '--json'], environment)).stdout);
    expect(keys.map(({ id }: { id: string }) => id)).toContain(owner.id);
  });

  it('keeps several profiles, which --profile and IAM_PROFILE choose, and logout removes one', async () => {
    const other = await newOrganization(controlPlane.primary.pool);
    await login(owner.credential);
    await login(other.credential, '--profile', 'other');
    const whoami = async (args: string[], settings = {}) =>
      JSON.parse((await iam([...args, 'whoami', '--json'], { ...environment, ...settings })).stdout).key.id;
    expect(await whoami([])).toBe(owner.id);
    expect(await whoami(['--profile', 'other'])).toBe(other.id);
    expect(await whoami([], { IAM_PROFILE: 'other' })).toBe(other.id);
    expect((await iam(['--profile', 'other', 'logout'], environment)).exitCode).toBe(0);
    const { exitCode, stderr } = await iam(['--profile', 'other', 'whoami'], environment);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('There are: default.')]);
  });

  it('stores nothing for a key that is refused or does not decode', async () => {
    const revoked = await insertKey(controlPlane.primary.pool, { revokedAt: new Date() });
    expect((await login(revoked.credential)).exitCode).toBe(4);
    expect((await login('nonsense')).exitCode).toBe(2);
    await expect(readFile(file())).rejects.toThrow('ENOENT');
  });

  it('recognizes that a URL leads to another service, and stores nothing', async () => {
    const regional = await startUnreadyRegional(controlPlane.primary.controlPlaneUrl);
    const page = createServer((_request, response) => response.end('<html></html>'));
    await once(page.listen(0, '127.0.0.1'), 'listening');
    const others = [regional.url, `http://127.0.0.1:${(page.address() as AddressInfo).port}`];
    try {
      for (const url of others) {
        const { exitCode, stderr } = await iam(['login', '--url', url], environment, owner.credential);
        expect([exitCode, stderr]).toEqual([2, expect.stringContaining(`${url} is not a control plane.`)]);
      }
    } finally {
      await regional.close();
      page.close();
    }
    await expect(readFile(file())).rejects.toThrow('ENOENT');
  });

  it('reads the key from a terminal without showing it', async () => {
    const { exitCode, screen } = await iamOnTerminal(['login'], environment, [
      [/URL of the control plane: /, controlPlane.url],
      [/API key \(not shown\): /, owner.credential],
    ]);
    expect([exitCode, screen]).toEqual([0, expect.stringContaining(`stored key ${owner.id}`)]);
    expect(screen).not.toContain(owner.credential);
  });
});

it('refuses a profile file that other users can read, and says how to fix it', async () => {
  await login(owner.credential);
  await chmod(file(), 0o640);
  const { exitCode, stderr } = await iam(['whoami'], environment);
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(`chmod 600 ${file()}`)]);
});

it('refuses a profile file that other users can replace', async () => {
  await login(owner.credential);
  await chmod(join(home, 'iam'), 0o777);
  const { exitCode, stderr } = await iam(['whoami'], environment);
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(`chmod 700 ${join(home, 'iam')}`)]);
});

it('stores no key in a folder that other users can write to', async () => {
  await mkdir(join(home, 'iam'), { mode: 0o777 });
  await chmod(join(home, 'iam'), 0o777);
  const { exitCode, stderr } = await login(owner.credential);
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining('chmod 700')]);
  expect(await readdir(join(home, 'iam'))).toEqual([]);
});

it('prints no control characters of an error of a server', async () => {
  const server = createServer((_request, response) => {
    response.writeHead(400, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ errors: [{ code: 'x', message: 'a\u001b]0;b\u0007c' }] }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { stderr } = await iam(['keys', 'list'], {
      ...environment,
      IAM_CONTROL_PLANE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      IAM_API_KEY: owner.credential,
    });
    expect(stderr).toBe('error: a ]0;b c\n');
  } finally {
    server.close();
  }
});

it.each(['constructor', '__proto__', 'a/b'])('has no profile with the name %s', async (name) => {
  await login(owner.credential);
  const { exitCode, stdout } = await iam(['logout'], { ...environment, IAM_PROFILE: name });
  expect([exitCode, stdout]).toEqual([2, '']);
});

it('follows no redirect, and shows no control characters of a server', async () => {
  const { port } = new URL(controlPlane.url);
  const server = createServer((request, response) => {
    if (request.method === 'POST') {
      response.writeHead(307, { location: `http://127.0.0.1:${port}/api/v1/users/auth/keys` }).end();
    } else {
      response.writeHead(200, { 'content-type': 'application/json' });
      const text = 'a\u001b[31mb';
      response.end(
        JSON.stringify({
          id: 'id',
          description: text,
          organization_id: text,
          status: 'active',
          creation_date: '2026-01-01T00:00:00Z',
          user_id: text,
          internal: false,
          role_assignments: {},
        }),
      );
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const settings = {
    ...environment,
    IAM_CONTROL_PLANE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    IAM_API_KEY: owner.credential,
  };
  try {
    const created = await iam(
      ['keys', 'create', '--description', 'x', '--project', 'elasticsearch:p=viewer'],
      settings,
    );
    expect([created.exitCode, created.stderr]).toEqual([5, expect.stringContaining('redirect')]);
    const shown = await iam(['keys', 'show', 'id'], settings);
    expect([shown.exitCode, shown.stdout.includes('\u001b')]).toEqual([0, false]);
  } finally {
    server.close();
  }
});

it('shows who a key is, also one that is no owner', async () => {
  const viewer = await insertKey(controlPlane.primary.pool, { organizationId: owner.organizationId });
  const settings = {
    ...environment,
    IAM_CONTROL_PLANE_URL: controlPlane.url,
    IAM_API_KEY: viewer.credential,
  };
  const { stdout } = await iam(['whoami'], settings);
  expect(stdout).toMatch(new RegExp(`^id +${viewer.id}$`, 'm'));
  expect(stdout).toMatch(/^permissions +none$/m);
});

it('works on the database if only the URL of a control plane is set beside it', async () => {
  const settings = {
    IAM_CONTROL_PLANE_URL: 'http://127.0.0.1:1',
    PRIMARY_DATABASE_URL: controlPlane.primary.controlPlaneUrl,
  };
  const args = ['keys', 'list', '--organization', owner.organizationId];
  expect(await iam(args, { ...environment, ...settings })).toMatchObject({ exitCode: 0, stderr: '' });
});

it('uses the default profile if only the same URL is set, however it is written', async () => {
  await login(owner.credential);
  for (const url of [controlPlane.url, `${controlPlane.url}/`]) {
    const { exitCode, stdout } = await iam(['whoami'], { ...environment, IAM_CONTROL_PLANE_URL: url });
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining(owner.id)]);
  }
});

it('sends the key of a profile to no other URL, and says what to do', async () => {
  await login(owner.credential);
  const { exitCode, stderr } = await iam(['whoami'], {
    ...environment,
    IAM_CONTROL_PLANE_URL: 'http://127.0.0.1:1',
  });
  expect([exitCode, stderr]).toEqual([
    2,
    expect.stringMatching(/--profile default or unset IAM_CONTROL_PLANE_URL/),
  ]);
  expect(stderr).not.toContain('iam login');
});

it('says how to use a profile while a database is set', async () => {
  const settings = { ...environment, PRIMARY_DATABASE_URL: controlPlane.primary.controlPlaneUrl };
  expect((await iam(['whoami'], settings)).stderr).toMatch(/run "iam login" and pass --profile default/);
  await login(owner.credential);
  const { exitCode, stderr } = await iam(['whoami'], settings);
  expect([exitCode, stderr]).toEqual([
    2,
    expect.stringContaining('To use your profile, pass --profile default.'),
  ]);
  expect((await iam(['whoami', '--profile', 'default'], settings)).exitCode).toBe(0);
});

it.each<[string, Record<string, string>, RegExp]>([
  ['only the URL', { IAM_CONTROL_PLANE_URL: 'http://127.0.0.1:1' }, /IAM_API_KEY/],
  ['nothing', {}, /iam login.*IAM_CONTROL_PLANE_URL.*PRIMARY_DATABASE_URL/],
  ['a profile that does not exist', { IAM_PROFILE: 'ghost' }, /"ghost".*iam login --profile ghost/],
])('with %s, says what to set', async (_name, settings, message) => {
  const { exitCode, stderr } = await iam(['keys', 'list'], { ...environment, ...settings });
  expect([exitCode, stderr]).toEqual([2, expect.stringMatching(message)]);
});
