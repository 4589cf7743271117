import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { predefinedRoles } from '../../../src/roles/predefined.ts';
import {
  createDevProject,
  type DevProject,
  type DevRun,
  stillRunning,
  untilGone,
} from '../../support/dev-project.ts';
import { findForbidden } from '../../support/forbidden-output.ts';
import { freePortBase } from '../../support/free-port-base.ts';
import { startIamService } from '../../support/iam.ts';
import { authenticate, projectContext } from '../../support/regional.ts';

/** Replication takes milliseconds, but longer on a machine that runs other tests. */
const PATIENT = { timeout: 10_000, interval: 20 };

/** The tests run in order: each one continues from the state that the previous one left. */
describe('npm start', { timeout: 60_000 }, () => {
  let project: DevProject;
  let run: DevRun;
  let base: number;
  let created: { id: string; key: string };

  beforeAll(async () => {
    project = await createDevProject();
    base = await freePortBase();
    run = await project.start('--port-base', String(base));
    await run.line(/^ready/);
  });
  afterAll(async () => {
    await run.stop();
    await project.remove();
  });

  const authenticateInDemoProject = async (key: string, headers: Record<string, string> = {}) => {
    const demo = await project.demo();
    const contexts = [projectContext('demo-project', 'demo-organization')];
    return authenticate({ url: demo.IAM_REGIONAL_URL ?? '' }, `ApiKey ${key}`, { contexts, headers });
  };

  it('prints a curl command that returns the viewer descriptor', async () => {
    const response = JSON.parse(await project.paste(await run.line(/_authenticate/)));
    const viewer = predefinedRoles.find(
      (role) => role.projectType === 'elasticsearch' && role.name === 'viewer',
    );
    expect(response.contexts[0].role_descriptors).toEqual({ viewer: viewer?.descriptor });
    expect(response.contexts[0].unresolved_application_roles).toEqual([]);
  });

  it('writes .iam/demo.env with the documented variables, readable only by its owner', async () => {
    expect(Object.keys(await project.demo()).sort()).toEqual([
      'IAM_CLIENT_SECRET',
      'IAM_CONTROL_PLANE_URL',
      'IAM_DEMO_KEY',
      'IAM_INTERNAL_KEY',
      'IAM_MANAGEMENT_URL',
      'IAM_ORGANIZATION_ID',
      'IAM_OWNER_KEY',
      'IAM_PROJECT_ID',
      'IAM_PROJECT_TYPE',
      'IAM_REGIONAL_URL',
    ]);
    for (const file of ['demo.env', 'cli.env', 'regional.env', 'secrets.json']) {
      expect((await stat(join(project.directory, '.iam', file))).mode & 0o777, file).toBe(0o600);
    }
  });

  it('writes the settings with which a debugger runs one more regional service beside the stack', async () => {
    const launch = await readFile(new URL('../../../.vscode/launch.json', import.meta.url), 'utf8');
    expect(launch).toContain('.iam/regional.env');
    const settings = parseEnv(await project.state('regional.env')) as Record<string, string>;
    const { IAM_DEMO_KEY = '' } = await project.demo();
    const contexts = [projectContext('demo-project', 'demo-organization')];
    const service = await startIamService('regional', settings);
    try {
      const demo = async () => (await authenticate(service, `ApiKey ${IAM_DEMO_KEY}`, { contexts })).status;
      await expect.poll(demo, PATIENT).toBe(200);
    } finally {
      await service.stop();
    }
  });

  it('creates an internal key that requires the client secret', async () => {
    const { IAM_INTERNAL_KEY: key = '', IAM_CLIENT_SECRET: secret = '' } = await project.demo();
    expect((await authenticateInDemoProject(key, { 'x-client-authentication': secret })).status).toBe(200);
    expect((await authenticateInDemoProject(key)).body.error.code).toBe('0x8560B2');
  });

  it('creates an owner key that the control plane accepts', async () => {
    const { IAM_CONTROL_PLANE_URL, IAM_OWNER_KEY } = await project.demo();
    const response = await fetch(`${IAM_CONTROL_PLANE_URL}/api/v1/users/auth/keys`, {
      headers: { authorization: `ApiKey ${IAM_OWNER_KEY}` },
    });
    expect(response.status).toBe(200);
  });

  it('authenticates a key that the printed command created', async () => {
    created = JSON.parse(await project.paste(`${(await run.line(/keys create/)).trim()} --json`));
    await expect.poll(async () => (await authenticateInDemoProject(created.key)).status, PATIENT).toBe(200);
  });

  it('refuses a key that the printed command revoked', async () => {
    await project.paste((await run.line(/keys revoke/)).replace('KEY_ID', created.id));
    await expect
      .poll(async () => (await authenticateInDemoProject(created.key)).body.error?.code, PATIENT)
      .toBe('0xD38358');
  });

  it('prints a command that shows the metrics', async () => {
    expect(await project.paste(await run.line(/\/metrics/))).toContain('# TYPE iam_');
  });

  it('writes no secret to the terminal or to a log', async () => {
    const logs = join(project.directory, '.iam', 'logs');
    const texts = await Promise.all((await readdir(logs)).map((name) => readFile(join(logs, name), 'utf8')));
    const { credentials, ...secrets } = JSON.parse(await project.state('secrets.json'));
    for (const text of [run.output(), ...texts]) {
      expect(findForbidden(text)).toEqual([]);
      for (const secret of [...Object.values(credentials), ...Object.values(secrets)]) {
        expect(text.includes(secret as string)).toBe(false);
      }
    }
  });

  it('refuses a second start in the same project', async () => {
    const second = await project.start('--port-base', String(await freePortBase()));
    expect(await second.exited).not.toBe(0);
    expect(second.output()).toMatch(/is in use by process \d+/);
  });

  it('returns the same response after the primary has stopped', async () => {
    const { IAM_DEMO_KEY = '', IAM_MANAGEMENT_URL } = await project.demo();
    const before = await authenticateInDemoProject(IAM_DEMO_KEY);
    const [postmaster] = (await project.state('postgres/primary/postmaster.pid')).split('\n');
    process.kill(Number(postmaster), 'SIGINT');
    await run.line(/primary Postgres exited/);
    const after = await authenticateInDemoProject(IAM_DEMO_KEY);
    expect(after.status).toBe(200);
    expect(after.body).toEqual(before.body);
    expect((await fetch(`${IAM_MANAGEMENT_URL}/readyz`)).status).toBe(200);
  });

  it('stops every process within ten seconds of SIGTERM to npm, releases the lock and exits with 0', async () => {
    const processes = await run.processes();
    expect(processes.length).toBeGreaterThan(5);
    const signalledAt = performance.now();
    process.kill(run.npmPid, 'SIGTERM');
    expect(await run.exited).toBe(0);
    expect(performance.now() - signalledAt).toBeLessThan(10_000);
    expect(await stillRunning(processes)).toEqual([]);
    expect(await readdir(join(project.directory, '.iam'))).not.toContain('lock');
  });

  it('keeps the keys across a restart on other ports', async () => {
    const before = await project.demo();
    base = await freePortBase();
    run = await project.start('--port-base', String(base));
    await run.line(/^ready/);
    const { IAM_DEMO_KEY = '', ...after } = await project.demo();
    expect(IAM_DEMO_KEY).toBe(before.IAM_DEMO_KEY);
    expect(after.IAM_REGIONAL_URL).toBe(`http://127.0.0.1:${base}`);
    expect((await authenticateInDemoProject(IAM_DEMO_KEY)).status).toBe(200);
    expect((await authenticateInDemoProject(created.key)).status).toBe(401);
  });

  it('starts on the same ports after the supervisor was killed', async () => {
    const processes = await run.processes();
    await run.killSupervisor();
    run = await project.start('--port-base', String(base));
    await run.line(/^ready/);
    expect(await stillRunning(processes)).toEqual([]);
    const { IAM_DEMO_KEY = '' } = await project.demo();
    expect((await authenticateInDemoProject(IAM_DEMO_KEY)).status).toBe(200);
  });

  it('reports a port in use in one line and leaves nothing behind', async () => {
    const other = await createDevProject();
    const refused = await other.start('--port-base', String(base));
    expect(await refused.exited).not.toBe(0);
    expect(refused.output()).toMatch(
      new RegExp(`${base} \\(regional service\\).*already in use.*--port-base`),
    );
    expect(refused.output()).not.toMatch(/^\s+at /m);
    expect(await readdir(join(other.directory, '.iam'))).not.toContain('lock');
    await other.remove();
  });

  it('stops everything and reports why when the regional service is killed', async () => {
    const processes = await run.processes();
    const [pid] = (await project.state('regional.pid')).split(' ');
    process.kill(Number(pid), 'SIGKILL');
    expect(await run.exited).toBe(1);
    expect(run.output()).toContain('The regional service exited unexpectedly (SIGKILL)');
    await untilGone(processes);
    expect(await readdir(join(project.directory, '.iam'))).not.toContain('lock');
  });

  it('deletes every key with --reset', async () => {
    const before = await project.demo();
    run = await project.start('--port-base', String(base), '--reset');
    await run.line(/^ready/);
    const after = await project.demo();
    expect(after.IAM_DEMO_KEY).not.toBe(before.IAM_DEMO_KEY);
    expect((await authenticateInDemoProject(before.IAM_DEMO_KEY ?? '')).body.error.code).toBe('0x28D520');
    expect((await authenticateInDemoProject(after.IAM_DEMO_KEY ?? '')).status).toBe(200);
  });

  it('stops the started processes on a signal during the start', async () => {
    await run.stop();
    run = await project.start('--port-base', String(base));
    await run.line(/^Migrating/);
    const processes = await run.processes();
    process.kill(run.npmPid, 'SIGTERM');
    expect(await run.exited).toBe(0);
    expect(await stillRunning(processes)).toEqual([]);
    expect(await readdir(join(project.directory, '.iam'))).not.toContain('lock');
  });
});
