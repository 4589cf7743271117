import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Both use the same protocol and options. */
const NAMES = ['redis-server', 'valkey-server'];

/** Absolute path of the first Redis (or Valkey) server on the PATH, undefined when there is none. */
export async function findRedisBinary(path: string = process.env.PATH ?? ''): Promise<string | undefined> {
  for (const name of NAMES) {
    for (const directory of path.split(delimiter).filter(Boolean)) {
      const candidate = join(directory, name);
      try {
        await access(candidate, constants.X_OK);
        return candidate;
      } catch {}
    }
  }
  return undefined;
}
