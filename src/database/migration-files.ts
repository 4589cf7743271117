import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { DatabaseKind } from './logins.ts';

export const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url));

/** The names of this release's migrations of a database, as the table `schema_migrations` has them. */
export async function migrationNames(kind: DatabaseKind): Promise<string[]> {
  const files = await Promise.all(['shared', kind].map((folder) => readdir(`${MIGRATIONS}/${folder}`)));
  return files
    .flat()
    .flatMap((file) => (file.endsWith('.sql') ? [file.slice(0, -'.sql'.length)] : []))
    .sort();
}
