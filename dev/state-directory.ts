import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type PostgresBinaries, usableBinaries } from './postgres/binaries.ts';
import { stopLeftoverPostmaster } from './postgres/leftover.ts';
import { resolveServerUser, type ServerUser } from './postgres/server-user.ts';
import { canEnter, sharedDirectory } from './reachable.ts';
import { stopLeftoverRedis } from './redis/server.ts';
import { LOCK_FILE } from './state-lock.ts';

/** Directories of the state of one clone, which survives a restart. All paths are absolute. */
export interface StateDirectory {
  /** `.iam` in the project folder. */
  directory: string;
  /** Parent of the Postgres data directories: in `directory`, unless Postgres' account cannot enter it. */
  postgresDirectory: string;
  redisDirectory: string;
  /** Account for `startPostgres`; undefined: the caller's. */
  user: ServerUser | undefined;
  /** Binaries for `startPostgres`. */
  binaries: PostgresBinaries;
  /** Message for the user when data is outside the project folder. */
  notice?: string;
}

export interface StateDirectoryOptions {
  /** Candidates for data that Postgres' account cannot reach in the project; default: see `sharedDirectory`. */
  sharedDirectories?: readonly string[];
}

/**
 * Creates `.iam` and chooses the directory of Postgres' files. As root, Postgres runs under another account. If that
 * account cannot enter the project (a clone in /root), its data and a copy of its binaries go to a shared directory,
 * whose path depends only on the project path.
 * @throws Error when `.iam` belongs to another account, or no directory qualifies
 */
export async function openStateDirectory(
  projectDirectory: string,
  options: StateDirectoryOptions = {},
): Promise<StateDirectory> {
  const project = await realpath(projectDirectory);
  const directory = join(project, '.iam');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const user = await serverUserFor(directory);
  // Postgres' account must traverse the directory. It still cannot list it, and demo.env is 0600.
  if (user) await chmod(directory, 0o711);

  const binaries = await usableBinaries(user, options);
  const common = { directory, redisDirectory: join(directory, 'redis'), user, binaries };
  if (!user || (await canEnter(directory, user))) {
    return { ...common, postgresDirectory: join(directory, 'postgres') };
  }
  const hash = createHash('sha256').update(project).digest('hex').slice(0, 12);
  const postgresDirectory = join(await sharedDirectory(user, options.sharedDirectories), hash);
  await mkdir(postgresDirectory, { recursive: true, mode: 0o711 });
  return {
    ...common,
    postgresDirectory,
    notice: `Postgres runs as "${user.name}", who cannot enter ${project}. Its data is in ${postgresDirectory}.`,
  };
}

/** Keeps the account of an earlier run, because Postgres must own its data directory. */
async function serverUserFor(directory: string): Promise<ServerUser | undefined> {
  const { uid, gid } = await stat(directory);
  const self = process.getuid?.();
  if (self === undefined || (self === uid && self !== 0)) return undefined;
  if (self === 0) return uid === 0 ? await resolveServerUser() : { name: `uid ${uid}`, uid, gid };
  throw new Error(
    `${directory} belongs to another account (uid ${uid}). Start as that account, or remove it.`,
  );
}

/**
 * Stops the servers that a killed run left in the directory, then removes everything but the lock.
 * The caller holds the lock and has started no server yet.
 */
export async function emptyStateDirectory(state: StateDirectory): Promise<void> {
  for (const name of await readdir(state.postgresDirectory).catch(() => [])) {
    await stopLeftoverPostmaster(join(state.postgresDirectory, name));
  }
  await stopLeftoverRedis(state.redisDirectory);
  await rm(state.postgresDirectory, { recursive: true, force: true });
  for (const name of await readdir(state.directory)) {
    if (name !== LOCK_FILE) await rm(join(state.directory, name), { recursive: true, force: true });
  }
}
