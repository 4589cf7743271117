import { chmod, lstat, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from './child-process.ts';

interface Account {
  name: string;
  uid: number;
  gid: number;
}

/** Whether the account can enter the directory. It tries, because modes do not show ACLs and mounts. */
export async function canEnter(directory: string, account: Account): Promise<boolean> {
  const { exitCode } = await runCommand('/bin/sh', ['-c', 'cd "$1"', 'sh', directory], {
    uid: account.uid,
    gid: account.gid,
  });
  return exitCode === 0;
}

const sharedDirectories = (): readonly string[] => [
  '/var/lib/regional-iam',
  join(tmpdir(), 'regional-iam'),
  '/tmp/regional-iam',
];

/**
 * Returns the first of `candidates` that this account owns and that the other account can enter but not write to. It
 * skips directories of other owners, because binaries run from the result.
 * @throws Error when no candidate qualifies
 */
export async function sharedDirectory(
  account: Account,
  candidates: readonly string[] = sharedDirectories(),
): Promise<string> {
  for (const directory of candidates) {
    try {
      await mkdir(directory, { recursive: true, mode: 0o755 });
      const found = await lstat(directory);
      if (!found.isDirectory() || found.uid !== process.getuid?.()) continue;
      await chmod(directory, 0o755); // the umask may have taken bits away
      if (await canEnter(directory, account)) return directory;
    } catch {}
  }
  throw new Error(
    `Postgres runs as the user "${account.name}", who can enter none of ${candidates.join(', ')}.`,
  );
}
