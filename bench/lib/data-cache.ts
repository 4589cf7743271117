import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** Reads test data from a file of an earlier run, or creates it. The data must be the same in every run. */
export async function loadOrCreate<T>(name: string, create: () => Promise<T>): Promise<T> {
  const directory = join(tmpdir(), `regional-iam-bench-data-${userInfo().uid}`);
  const path = join(directory, name);
  const found = await readFile(path, 'utf8').catch(() => undefined);
  if (found !== undefined) return JSON.parse(found) as T;
  const created = await create();
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, JSON.stringify(created), { mode: 0o600 });
  await rename(draft, path);
  return created;
}
