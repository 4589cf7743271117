import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** Keeps what is slow to make, and the same each time, between runs. */
export async function cached<T>(name: string, make: () => Promise<T>): Promise<T> {
  const directory = join(tmpdir(), `regional-iam-bench-data-${userInfo().uid}`);
  const path = join(directory, name);
  const found = await readFile(path, 'utf8').catch(() => undefined);
  if (found !== undefined) return JSON.parse(found) as T;
  const made = await make();
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, JSON.stringify(made), { mode: 0o600 });
  await rename(draft, path);
  return made;
}
