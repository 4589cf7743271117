import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { runCommand } from '../child-process.ts';
import type { PostgresBinaries } from './binaries.ts';
import { DamagedDataDirectory, postgresFailure } from './failure.ts';
import type { ServerUser } from './server-user.ts';

export const SUPERUSER = 'postgres';

/**
 * Creates a cluster in `dataDirectory` unless one exists: UTF8, byte-wise collation, scram-sha-256 for every login.
 * initdb works in a draft directory beside it, so a killed run leaves no incomplete cluster.
 * @returns whether this call created the cluster
 * @throws Error when the directory contains other files, or with initdb's output
 */
export async function initializeCluster(
  binaries: PostgresBinaries,
  dataDirectory: string,
  superuserPassword: string,
  user: ServerUser | undefined,
): Promise<boolean> {
  if (existsSync(join(dataDirectory, 'PG_VERSION'))) return false;
  if (existsSync(dataDirectory) && (await readdir(dataDirectory)).length > 0) {
    throw new DamagedDataDirectory(`${dataDirectory} is neither empty nor a Postgres data directory.`);
  }
  const parent = dirname(dataDirectory);
  await mkdir(parent, { recursive: true });
  await removeDrafts(parent, `${basename(dataDirectory)}.draft-`);

  const draft = join(parent, `${basename(dataDirectory)}.draft-${randomUUID()}`);
  const passwordFile = `${draft}.password`;
  await mkdir(draft, { mode: 0o700 });
  try {
    await writeFile(passwordFile, `${superuserPassword}\n`, { mode: 0o600, flag: 'wx' });
    if (user) {
      await chown(draft, user.uid, user.gid);
      await chown(passwordFile, user.uid, user.gid);
    }
    const result = await runCommand(
      binaries.initdb,
      [
        `--pgdata=${draft}`,
        `--username=${SUPERUSER}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-instructions',
        // A local stack needs no durable initdb; the server's first checkpoint syncs the files.
        '--no-sync',
      ],
      user ? { uid: user.uid, gid: user.gid } : {},
    );
    if (result.exitCode !== 0) {
      throw postgresFailure('initdb failed', dataDirectory, result.output);
    }
    await refusePhysicalCopies(join(draft, 'pg_hba.conf'));
    await rm(dataDirectory, { recursive: true, force: true });
    await rename(draft, dataDirectory);
    return true;
  } finally {
    await rm(passwordFile, { force: true });
    await rm(draft, { recursive: true, force: true });
  }
}

/** The attribute REPLICATION, which regions need for their subscriptions, also allows a copy of the whole server. The first line decides. */
async function refusePhysicalCopies(file: string): Promise<void> {
  const lines = await readFile(file, 'utf8');
  await writeFile(file, `host replication iam_replicator all reject\n${lines}`);
}

async function removeDrafts(parent: string, prefix: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (name.startsWith(prefix)) await rm(join(parent, name), { recursive: true, force: true });
  }
}
