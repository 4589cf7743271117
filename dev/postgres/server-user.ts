import { runCommand } from '../child-process.ts';

/** The account of a server. The name is for messages only. */
export interface ServerUser {
  name: string;
  uid: number;
  gid: number;
}

const OWN_USER = 'iam-postgres';

async function lookUp(name: string): Promise<ServerUser | undefined> {
  const [uid, gid] = await Promise.all([runCommand('id', ['-u', name]), runCommand('id', ['-g', name])]);
  if (uid.exitCode !== 0 || gid.exitCode !== 0) return undefined;
  return { name, uid: Number(uid.output), gid: Number(gid.output) };
}

async function create(name: string): Promise<ServerUser | undefined> {
  try {
    await runCommand('useradd', ['--system', '--no-create-home', '--shell', '/usr/sbin/nologin', name]);
  } catch {
    return undefined; // no useradd on this system
  }
  return await lookUp(name);
}

/**
 * Chooses the account for Postgres, which refuses to run as root. For root: `postgres`, else `iam-postgres` (created if
 * missing), else `nobody`. For other accounts undefined: the server runs as the caller.
 * @throws Error when root has none of these accounts
 */
export async function resolveServerUser(): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const user =
    (await lookUp('postgres')) ??
    (await lookUp(OWN_USER)) ??
    (await create(OWN_USER)) ??
    (await lookUp('nobody'));
  if (user) return user;
  throw new Error(
    'Postgres cannot run as root, and this system has no user "postgres" or "nobody" to run it as.',
  );
}
