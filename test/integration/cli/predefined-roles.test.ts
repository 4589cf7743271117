import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { estypes } from '@elastic/elasticsearch';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { migrate } from '../../../src/database/migrate.ts';
import release from '../../../src/roles/predefined/roles.json' with { type: 'json' };
import { predefinedRoles, predefinedSet } from '../../../src/roles/predefined.ts';
import {
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../support/control-plane.ts';
import { iam } from '../../support/iam.ts';
import { createPrimary, type TestPrimary } from '../../support/primary.ts';

/** Later than the release; the set may come from a time zone that is a day ahead. */
const LATER = new Date(Math.max(Date.now(), Date.parse(predefinedSet.version) + 86_400_000))
  .toISOString()
  .slice(0, 10);

let folder: string;
let primary: TestPrimary;
let controlPlane: TestControlPlane;
let environment: Record<string, string>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'iam-roles-'));
});
afterAll(async () => {
  await controlPlane?.close();
  await primary?.close();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  await controlPlane?.close();
  await primary?.close();
  primary = await createPrimary();
  controlPlane = await startTestControlPlane({}, primary);
  environment = { PRIMARY_DATABASE_URL: primary.url, XDG_CONFIG_HOME: folder };
});

async function set(fields: object): Promise<string> {
  const file = join(folder, 'set.json');
  await writeFile(file, JSON.stringify({ ...release, ...fields }));
  return file;
}
const load = async (fields: object, ...args: string[]) =>
  iam(['roles', 'load', '--predefined', await set(fields), ...args], environment);
const version = async () =>
  (await primary.pool.query('SELECT version FROM predefined_role_set')).rows[0].version;
const viewer = async () =>
  (
    await primary.pool.query(
      "SELECT descriptor FROM roles WHERE organization_id = '' AND project_type = 'vectordb' AND name = 'viewer'",
    )
  ).rows[0].descriptor;
const VECTORDB = { vectordb: { viewer: { cluster: ['monitor'] }, auditor: { cluster: ['read_security'] } } };

it('a later set replaces definitions and adds roles, everywhere, and iam migrate keeps it', async () => {
  expect(await load({ version: LATER, roles: VECTORDB })).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining(`loaded version ${LATER}: 1 role added, 1 changed`),
  });
  await migrate(primary.url, 'primary');
  expect((await viewer()).cluster).toEqual(['monitor']);
  const owner = await newOrganization(primary.pool);
  const api = (method: string, path: string, body?: unknown) =>
    callApi(controlPlane, method, `/api/v1${path}`, owner.authorization, { body });
  const { body } = await api('GET', '/roles?project_type=vectordb');
  expect(body.roles.map(({ name }: { name: string }) => name).toSorted()).toEqual([
    'admin',
    'auditor',
    'developer',
    'viewer',
  ]);
  const shadow = await api('PUT', '/projects/vectordb/p/roles/Auditor', {});
  expect([shadow.status, shadow.body.errors[0].message]).toEqual([
    400,
    expect.stringContaining('predefined role'),
  ]);
  const { rows } = await primary.pool.query(
    "SELECT after FROM audit_events WHERE action = 'predefined_roles.load'",
  );
  expect(rows).toEqual([{ after: { version: LATER, source: release.source, roles: 2 } }]);
});

it.each([
  ['of an earlier version', { version: '2000-01-01', roles: VECTORDB }, predefinedSet.version],
  ['of the same version with other content', { roles: VECTORDB }, 'other definitions of the same version'],
  ['with a mistyped year', { version: '2126-11-27', roles: VECTORDB }, 'in the future'],
])('a set %s changes nothing without --force', async (_name, fields, message) => {
  const before = await viewer();
  const refused = await load(fields);
  expect([refused.exitCode, refused.stderr]).toEqual([4, expect.stringContaining(message)]);
  expect(await viewer()).toEqual(before);
  expect((await load(fields, '--force', '--dry-run')).exitCode).toBe(0);
  expect([await viewer(), await version()]).toEqual([before, predefinedSet.version]);
  expect((await load(fields, '--force')).exitCode).toBe(0);
  expect((await viewer()).cluster).toEqual(['monitor']);
});

it('a set with a future version can be taken back', async () => {
  await load({ version: '2126-11-27', roles: VECTORDB }, '--force');
  expect((await load({ version: LATER })).exitCode).toBe(4);
  expect((await load({ version: LATER }, '--force')).exitCode).toBe(0);
  expect([await version(), await viewer()]).toEqual([LATER, release.roles.vectordb.viewer]);
});

it('needs the login of iam migrate, since that of the control plane may not change these roles', async () => {
  const before = await version();
  environment.PRIMARY_DATABASE_URL = primary.controlPlaneUrl;
  expect(await load({ version: LATER, roles: VECTORDB })).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('Set it to the login of "iam migrate"'),
  });
  expect(await version()).toBe(before);
});

it('a repetition changes nothing and succeeds', async () => {
  await load({ version: LATER, roles: VECTORDB });
  expect((await load({ version: LATER, roles: VECTORDB })).stdout).toContain('0 roles added, 0 changed');
});

it.each([[{}], [{ vectordb: {} }]])('a set without a role is refused: %j', async (roles) => {
  const { exitCode, stderr } = await load({ version: LATER, roles }, '--force');
  expect([exitCode, stderr]).toEqual([4, expect.stringContaining('at least one role')]);
});

it('iam migrate does not replace other definitions of the same version', async () => {
  await load({ roles: VECTORDB }, '--force');
  await migrate(primary.url, 'primary');
  expect((await viewer()).cluster).toEqual(['monitor']);
});

it('a set with the name of a custom role changes nothing, because keys would get other permissions', async () => {
  await primary.pool.query(
    `INSERT INTO roles (organization_id, project_type, project_id, name, descriptor, version)
     VALUES ('org', 'vectordb', 'p', 'Auditor', '{}', 0), ('org', 'security', 'p', 'auditor', '{}', 0)`,
  );
  const before = await viewer();
  const { exitCode, stderr } = await load({ version: LATER, roles: VECTORDB });
  expect([exitCode, stderr]).toEqual([4, expect.stringContaining('1 custom roles have names of this set')]);
  expect(stderr).toContain('org/vectordb/p/Auditor');
  expect(await viewer()).toEqual(before);
});

it('a set with errors changes nothing, and every error is named by its path', async () => {
  const before = await viewer();
  const roles = {
    vectordb: { viewer: { cluster: 7 }, admin: { indices: [{ names: ['/(/'], privileges: ['read'] }] } },
  };
  const { exitCode, stderr } = await load({ version: LATER, roles });
  expect([exitCode, stderr]).toEqual([4, expect.stringContaining('roles.vectordb.viewer.cluster')]);
  expect(stderr).toContain('roles.vectordb.admin.indices[0].names[0]');
  expect((await load({ version: 'v7' })).stderr).toContain('version');
  expect(await viewer()).toEqual(before);
});

it('diff finds no difference to the file of the release, in any order', async () => {
  const reversed = structuredClone(release.roles.vectordb.viewer);
  reversed.cluster.reverse();
  const file = await set({
    roles: { ...release.roles, vectordb: { ...release.roles.vectordb, viewer: reversed } },
  });
  expect(await iam(['roles', 'diff', '--predefined', file], environment)).toMatchObject({
    exitCode: 0,
    stdout: 'no differences\n',
  });
});

it('diff names missing, additional and changed roles, and exits with 1', async () => {
  const { admin: _admin, ...others } = release.roles.vectordb;
  const vectordb = { ...others, viewer: { ...others.viewer, cluster: ['all'] }, auditor: {} };
  const file = await set({ roles: { ...release.roles, vectordb } });
  const { exitCode, stdout } = await iam(['roles', 'diff', '--predefined', file, '--json'], environment);
  expect([exitCode, JSON.parse(stdout)]).toEqual([
    1,
    {
      missing: ['vectordb/admin'],
      additional: ['vectordb/auditor'],
      changed: [{ name: 'vectordb/viewer', fields: ['cluster'] }],
    },
  ]);
});

it('diff compares with the roles of a cluster, as its API returns them', async () => {
  const ofType = predefinedRoles.filter(({ projectType }) => projectType === 'elasticsearch');
  const body = Object.fromEntries(
    ofType.map(({ name, descriptor }) => [
      name,
      { ...descriptor, metadata: { _reserved: true }, transient_metadata: { enabled: true } },
    ]),
  ) as Record<string, estypes.SecurityGetRoleRole>;
  Object.assign(body.viewer as object, {
    indices: [{ names: ['*'], privileges: ['all'], allow_restricted_indices: false }],
  });
  const cluster: Server = createServer((request, response) => {
    const isKnown =
      request.headers.authorization === 'ApiKey cluster-key' && request.url === '/_security/role';
    response.writeHead(isKnown ? 200 : 401, { 'content-type': 'application/json' });
    response.end(JSON.stringify(isKnown ? body : {}));
  }).listen(0, '127.0.0.1');
  await once(cluster, 'listening');
  const url = `http://127.0.0.1:${(cluster.address() as AddressInfo).port}/`;
  const args = ['roles', 'diff', '--cluster', url, '--project-type', 'elasticsearch'];
  try {
    const result = await iam(args, { ...environment, ELASTICSEARCH_API_KEY: 'cluster-key' });
    expect([result.exitCode, result.stdout]).toEqual([1, '~ elasticsearch/viewer: indices\n']);
    const refused = await iam(args, { ...environment, ELASTICSEARCH_API_KEY: 'wrong' });
    expect([refused.exitCode, refused.stderr]).toEqual([4, expect.stringContaining('401')]);
    const closed = ['roles', 'diff', '--cluster', 'http://127.0.0.1:1', '--project-type', 'elasticsearch'];
    expect(await iam(closed, { ...environment, ELASTICSEARCH_API_KEY: 'x' })).toEqual({
      exitCode: 5,
      stdout: '',
      stderr: 'error: The cluster cannot be reached (fetch failed: bad port).\n',
    });
    expect((await iam(args, environment)).stderr).toContain('ELASTICSEARCH_API_KEY');
  } finally {
    cluster.close();
  }
});
