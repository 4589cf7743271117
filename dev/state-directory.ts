import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type PostgresBinaries, usableBinaries } from './postgres/binaries.ts';
import { stopLeftoverPostmaster } from './postgres/leftover.ts';
import { resolveServerUser, type ServerUser } from './postgres/server-user.ts';
import { canEnter, sharedDirectory } from './reachable.ts';
import { stopLeftoverRedis } from './redis/server.ts';
import { LOCK_FILE } from './state-lock.ts';

/** Where one clone of the project keeps what has to survive a restart. All paths are absolute. */
export interface StateDirectory {
  /** `.iam` in the project folder. */
  directory: string;
  /** Parent of the Postgres data directories: in `directory`, unless Postgres' account cannot get there. */
  postgresDirectory: string;
  redisDirectory: string;
  /** The account for Postgres, undefined = the caller; give it to `startPostgres`. */
  user: ServerUser | undefined;
  /** Give them to `startPostgres`, too. */
  binaries: PostgresBinaries;
  /** A sentence for the user when something lives outside of the project folder. */
  notice?: string;
}

export interface StateDirectoryOptions {
  /** Where to go with what Postgres' account cannot reach; default see `sharedDirectory`. */
  sharedDirectories?: readonly string[];
}

/**
 * Makes `.iam` and settles where Postgres' files go. As root, Postgres runs under another account; where that
 * one cannot enter the project (a clone in /root), its data, and a copy of its binaries, go to a directory
 * that both can enter, which is always the same for the same project path.
 * @throws Error when `.iam` belongs to another account, or no place can be found
 */
export async function openStateDirectory(
  projectDirectory: string,
  options: StateDirectoryOptions = {},
): Promise<StateDirectory> {
  const project = await realpath(projectDirectory);
  const directory = join(project, '.iam');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const user = await serverUserFor(directory);
  // Postgres' account has to pass through; it still cannot list it, and demo.env is 0600.
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
    notice: `Postgres runs as "${user.name}", who cannot enter ${project}: its data is in ${postgresDirectory}.`,
  };
}

/** The account of an earlier run goes on, since Postgres insists on owning its data directory. */
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
 * Removes everything but the lock, after ending the servers of a killed run that still work in there.
 * Call it with the lock held and no server of this run started.
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
