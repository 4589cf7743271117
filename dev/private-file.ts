import { rename, writeFile } from 'node:fs/promises';

/** Writes a file that only its owner can read. The write is atomic: readers see the old text or the new one. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const draft = `${path}.draft`;
  await writeFile(draft, text, { mode: 0o600 });
  await rename(draft, path);
}
