import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DevSecrets } from './secrets.ts';
import type { StateDirectory } from './state-directory.ts';
import { LOCK_FILE } from './state-lock.ts';

/** Data directories of the servers, in `postgresDirectory`. */
export const PRIMARY = 'primary';
export const REGION = 'region';

/**
 * Looks for what earlier runs should have left.
 * @param secrets of earlier runs, if there are any
 * @throws Error when keys are lost, or would be: only `--reset` deletes keys
 */
export async function assertKeysRemain(
  state: StateDirectory,
  secrets: DevSecrets | undefined,
): Promise<void> {
  const primary = join(state.postgresDirectory, PRIMARY);
  if (secrets === undefined) {
    if ((await isEmpty(primary)) || (await isNew(state))) return;
    throw new Error(
      `${join(state.directory, 'secrets.json')} is missing. Without its passwords, the databases in ${state.postgresDirectory} cannot be opened. Put it back, or delete all keys and start again: npm start -- --reset`,
    );
  }
  const wasSeeded = Object.keys(secrets.credentials).length > 0;
  if (wasSeeded && (await isEmpty(primary))) {
    throw new Error(
      `The data of the primary is gone: ${primary} is missing or empty. The region has only a copy, which cannot replace it. Put the directory back, or start again without the keys: npm start -- --reset`,
    );
  }
}

/** Data outside of the project remains when the project is deleted. A new clone at the same path starts from scratch. */
async function isNew({ directory }: StateDirectory): Promise<boolean> {
  return (await readdir(directory)).every((name) => name === LOCK_FILE);
}

/** Redis caches the data of a region. Without this data it could belong to another history of the primary. */
export async function emptyRedisOfLostRegion(state: StateDirectory): Promise<void> {
  if (!(await isEmpty(join(state.postgresDirectory, REGION)))) return;
  await rm(state.redisDirectory, { recursive: true, force: true });
}

/** Moves a damaged data directory out of the way, over one of an earlier repair. @returns where it is now */
export async function moveAside(dataDirectory: string): Promise<string> {
  const target = `${dataDirectory}.damaged`;
  await rm(target, { recursive: true, force: true });
  await rename(dataDirectory, target);
  return target;
}

async function isEmpty(directory: string): Promise<boolean> {
  return (await readdir(directory).catch(() => [])).length === 0;
}
