import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCommand } from '../../../dev/child-process.ts';
import { createDevProject, type DevProject, type DevRun } from '../../support/dev-project.ts';
import { freePortBase } from '../../support/free-port-base.ts';
import { authenticate, projectContext } from '../../support/regional.ts';

/** Starts include an initdb and a copy, on a machine that runs other tests. */
describe('npm start after a loss', { timeout: 120_000 }, () => {
  let project: DevProject;
  let port: number;
  let run: DevRun | undefined;
  /** Revoked after the older copy was made. */
  let revoked: { id: string; key: string };
  /** Created after the older copy was made. */
  let created: { id: string; key: string };

  const state = (...path: string[]) => join(project.directory, '.iam', ...path);
  const saved = (name: string) => join(project.directory, '..', name);
  /** Keeps owners and modes. */
  const copy = async (from: string, to: string) => {
    await rm(to, { recursive: true, force: true });
    expect(await runCommand('cp', ['-a', from, to])).toEqual({ exitCode: 0, output: '' });
  };
  const start = async () => {
    run = await project.start('--port-base', String(port));
    return run;
  };
  const stop = async () => {
    await run?.stop();
    run = undefined;
  };
  const createKey = async () =>
    JSON.parse(
      await project.paste(
        'npx iam --settings .iam/cli.env keys create --description k --project elasticsearch:demo-project=viewer --json',
      ),
    );
  const statusOf = async (key: string) => {
    const { IAM_REGIONAL_URL = '' } = await project.demo();
    const contexts = [projectContext('demo-project', 'demo-organization')];
    return (await authenticate({ url: IAM_REGIONAL_URL }, `ApiKey ${key}`, { contexts })).status;
  };
  const statuses = async () => {
    const { IAM_DEMO_KEY = '' } = await project.demo();
    return {
      demo: await statusOf(IAM_DEMO_KEY),
      revoked: await statusOf(revoked.key),
      created: await statusOf(created.key),
    };
  };
  const ALL_KEYS = { demo: 200, revoked: 401, created: 200 };

  beforeAll(async () => {
    project = await createDevProject();
    port = await freePortBase();
    await (await start()).line(/^ready/);
    revoked = await createKey();
    await vi.waitFor(async () => expect(await statusOf(revoked.key)).toBe(200), 10_000);
    await stop();
    await copy(state(), saved('older'));

    await (await start()).line(/^ready/);
    await project.paste(`npx iam --settings .iam/cli.env keys revoke ${revoked.id}`);
    created = await createKey();
    await vi.waitFor(async () => expect(await statuses()).toEqual(ALL_KEYS), 10_000);
    await stop();
    await copy(state(), saved('newest'));
  }, 180_000);
  afterAll(async () => {
    await stop();
    await project.remove();
  });

  /** Starts from the newest state, after some damage. */
  const startAfter = async (damage: () => Promise<unknown>) => {
    await stop();
    await copy(saved('newest'), state());
    await damage();
    return start();
  };
  const remove = (...path: string[]) => rm(state(...path), { recursive: true });
  const COPIES = /^(.*) Copying all keys from the primary again\.$/;

  it('copies nothing and reports nothing if only demo files and Redis are lost', async () => {
    const started = await startAfter(async () => {
      for (const name of ['demo.env', 'cli.env', 'regional.env']) await remove(name);
      await rm(state('redis'), { recursive: true, force: true });
    });
    await started.line(/^ready/);
    expect(started.output()).not.toMatch(/Copying/);
    expect(await statuses()).toEqual(ALL_KEYS);
  });

  it('copies all keys again if the data directory of the region is lost', async () => {
    const started = await startAfter(() => remove('postgres', 'region'));
    expect(await started.line(COPIES)).toContain('missing or incomplete');
    await started.line(/^ready/);
    expect(await statuses()).toEqual(ALL_KEYS);
    await project.paste(`npx iam --settings .iam/cli.env keys revoke ${created.id}`);
    await expect.poll(() => statusOf(created.key), { timeout: 10_000 }).toBe(401);
  });

  it('accepts no key that was revoked since, if the region is an older copy', async () => {
    const started = await startAfter(() =>
      copy(join(saved('older'), 'postgres/region'), state('postgres/region')),
    );
    expect(await started.line(COPIES)).toContain('older than that of the primary');
    await started.line(/^ready/);
    expect(await statuses()).toEqual(ALL_KEYS);
  });

  it('copies all keys again if the region is damaged, and keeps the damaged files', async () => {
    const started = await startAfter(() => remove('postgres', 'region', 'global', 'pg_control'));
    await started.line(/^The data directory of the region is damaged\. It is now in .*region\.damaged\.$/);
    await started.line(/^ready/);
    expect(await statuses()).toEqual(ALL_KEYS);
    expect(await readdir(state('postgres', 'region.damaged'))).toContain('PG_VERSION');
  });

  const olderPrimary = () => copy(join(saved('older'), 'postgres/primary'), state('postgres/primary'));
  const otherPasswords = async () => {
    const secrets = JSON.parse(await project.state('secrets.json'));
    await writeFile(state('secrets.json'), JSON.stringify({ ...secrets, superuserPassword: 'another' }));
  };
  it.each<[string, () => Promise<unknown>, RegExp]>([
    ['is lost', () => remove('postgres', 'primary'), /The data of the primary is gone/],
    ['is an older copy', olderPrimary, /The data of the primary .* is older than that of the region/],
    [
      'is damaged',
      () => remove('postgres', 'primary', 'global', 'pg_control'),
      /The data of the primary is damaged/,
    ],
    ['has lost its passwords', () => remove('secrets.json'), /secrets\.json is missing/],
    ['has other passwords', otherPasswords, /does not fit the data of the primary/],
  ])('exits with 1, suggests --reset and deletes nothing if the primary %s', async (_, damage, message) => {
    const refused = await startAfter(damage);
    expect(await refused.exited).toBe(1);
    run = undefined;
    expect(refused.output()).toMatch(message);
    expect(refused.output()).toContain('npm start -- --reset');
    expect(refused.output()).not.toMatch(/^ready|^\s+at /m);
    expect(await readdir(state())).not.toContain('lock');
    expect(await readdir(state('postgres', 'region'))).toContain('PG_VERSION');
  });

  it('continues with an older primary once the region was deleted', async () => {
    const started = await startAfter(async () => {
      await olderPrimary();
      await remove('postgres', 'region');
    });
    await started.line(/^ready/);
    expect(await statuses()).toEqual({ demo: 200, revoked: 200, created: 401 });
  });
});
