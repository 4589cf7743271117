import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../../dev/ports.ts';
import { startPostgres } from '../../../dev/postgres/server.ts';
import { createScratchDirectory } from '../../support/servers/postgres.ts';

const start = async (dataDirectory: string) =>
  startPostgres({ dataDirectory, port: await freePort(), superuserPassword: 'test' });

/** A file system of a few megabytes, if this process may mount one. */
async function smallFileSystem(): Promise<string | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'regional-iam-small-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=0777', 'tmpfs', directory], {
      stdio: 'ignore',
    });
  } catch {
    await rm(directory, { recursive: true });
    return undefined;
  }
  onTestFinished(async () => {
    execFileSync('umount', [directory]);
    await rm(directory, { recursive: true });
  });
  return directory;
}

it('says in its first line that the disk is full', async ({ skip }) => {
  const directory = await smallFileSystem();
  if (directory === undefined) return skip('only root can mount a file system');
  const failure = await start(join(directory, 'primary')).catch((error: Error) => error.message);
  expect(String(failure).split('\n')[0]).toBe(
    `The disk or quota for ${join(directory, 'primary')} is full. Free about 200 MB and start again.`,
  );
});

it('says in its first line that the port is taken', async () => {
  const directory = await createScratchDirectory('failure');
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const first = await start(join(directory, 'one'));
  onTestFinished(() => first.stop('immediate'));
  const second = startPostgres({
    dataDirectory: join(directory, 'two'),
    port: first.port,
    superuserPassword: 'test',
  });
  await expect(second).rejects.toThrow(/^Another process uses the port\. .*\n/);
});

it('refuses a folder with other content and leaves it as it is', async () => {
  const directory = await createScratchDirectory('failure');
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const dataDirectory = join(directory, 'data');
  await mkdir(join(dataDirectory, 'photos'), { recursive: true });
  await expect(start(dataDirectory)).rejects.toThrow('neither empty nor a Postgres data directory');
  expect(await readdir(dataDirectory)).toEqual(['photos']);
});
