import { runCommand } from '../child-process.ts';

/** The account a server runs as; names are for messages, ids are what counts. */
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
 * Postgres refuses to run as root. As root this gives the account to run it under: `postgres`, one of our own
 * (made when it is missing), or `nobody`. For everybody else undefined: the server runs as the caller.
 * @throws Error when root has none of them.
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
