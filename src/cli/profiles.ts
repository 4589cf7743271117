import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { UsageError } from './command-failure.ts';

const profileSchema = z.object({ url: z.url({ protocol: /^https?$/ }), apiKey: z.string().min(1) });
const fileSchema = z.record(z.string(), profileSchema);

/** A control plane and a key for it. */
export type Profile = z.output<typeof profileSchema>;

export const DEFAULT_PROFILE = 'default';

/** Permission bits of the group and of others. */
const OTHERS = 0o077;
const WRITE_OF_OTHERS = 0o022;

/** Keys of `iam login`, in one file that only its owner can read (XDG Base Directory Specification). */
export function profilesFile(environment: NodeJS.ProcessEnv = process.env): string {
  return join(environment.XDG_CONFIG_HOME || join(homedir(), '.config'), 'iam', 'profiles.json');
}

/** @throws {UsageError} if the file is readable by others, or is no file of this program */
export function readProfiles(file = profilesFile()): Record<string, Profile> {
  let text: string;
  try {
    if ((statSync(file).mode & OTHERS) !== 0) {
      throw new UsageError(`${file} contains keys, but other users can access it. Run: chmod 600 ${file}`);
    }
    assertPrivateFolder(file);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
  const parsed = fileSchema.safeParse(parse(text));
  if (!parsed.success) throw new UsageError(`${file} does not parse. Remove it, and run: iam login`);
  return parsed.data;
}

function assertPrivateFolder(file: string): void {
  if ((statSync(dirname(file)).mode & WRITE_OF_OTHERS) === 0) return;
  throw new UsageError(
    `Other users can replace ${file}, because they can write to its folder. Run: chmod 700 ${dirname(file)}`,
  );
}

/** Replaces the file in one step, so that a reader never sees half of it. */
export function writeProfiles(profiles: Record<string, Profile>, file = profilesFile()): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  assertPrivateFolder(file);
  const next = `${file}.${randomBytes(8).toString('hex')}`;
  try {
    writeFileSync(next, `${JSON.stringify(profiles, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    chmodSync(next, 0o600);
    renameSync(next, file);
  } catch (error) {
    rmSync(next, { force: true });
    throw new Error(`${file} cannot be written (${(error as NodeJS.ErrnoException).code}).`, {
      cause: error,
    });
  }
}

/** The profile with this name. @throws {UsageError} if there is none */
export function requireProfile(name: string): Profile {
  const profiles = readProfiles();
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (profile !== undefined) return profile;
  const names = Object.keys(profiles);
  const known = names.length === 0 ? 'There are none.' : `There are: ${names.join(', ')}.`;
  throw new UsageError(
    `No profile has the name ${JSON.stringify(name)}. ${known} Run: iam login --profile ${name}`,
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
