import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '../../../dev/ports.ts';
import { resolveServerUser } from '../../../dev/postgres/server-user.ts';
import { findProgram } from './apt.ts';

export interface PgBouncer {
  /** The URL that leads to the same database with the same login, through the pooler. */
  through(url: string): string;
  stop(): Promise<void>;
}

/**
 * Starts PgBouncer with transaction pooling and its default treatment of startup parameters, in front of one server.
 * @param urls with the logins that may connect
 * @param moreSettings lines of pgbouncer.ini
 * @param serverConnections number of server connections per database and login, fewer than the clients have
 */
export async function startPgBouncer(
  urls: readonly string[],
  serverConnections = 4,
  moreSettings = '',
): Promise<PgBouncer> {
  const [target] = urls.map((url) => new URL(url));
  const binary = await findProgram('pgbouncer');
  if (binary === undefined || target === undefined)
    throw new Error('PgBouncer needs its program and a server.');
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'iam-pgbouncer-'));
  const users = urls
    .map((url) => new URL(url))
    .map((url) => `"${url.username}" "${decodeURIComponent(url.password).replaceAll('"', '""')}"`);
  const files = {
    users: join(folder, 'users.txt'),
    settings: join(folder, 'pgbouncer.ini'),
  };
  await writeFile(files.users, `${users.join('\n')}\n`, { mode: 0o600 });
  await writeFile(
    files.settings,
    `[databases]
* = host=${target.hostname} port=${target.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${files.users}
pool_mode = transaction
default_pool_size = ${serverConnections}
max_client_conn = 500
${moreSettings}
`,
    { mode: 0o600 },
  );
  const user = await resolveServerUser();
  if (user !== undefined) {
    for (const path of [folder, files.users, files.settings]) await chown(path, user.uid, user.gid);
  }
  const child = spawn(binary, [files.settings], {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(user && { uid: user.uid, gid: user.gid }),
  });
  await listening(child, port);
  return {
    through: (url) => {
      const pooled = new URL(url);
      pooled.hostname = '127.0.0.1';
      pooled.port = String(port);
      return pooled.href;
    },
    stop: async () => {
      child.kill('SIGINT');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Resolves when the pooler accepts connections. */
async function listening(child: ChildProcess, port: number): Promise<void> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stderr as NodeJS.ReadableStream })) {
    lines.push(line);
    if (/process up/.test(line)) break;
  }
  child.stderr?.resume();
  const probe = connect(port, '127.0.0.1');
  try {
    await once(probe, 'connect');
  } catch (error) {
    throw new Error(`PgBouncer does not listen: ${lines.join('; ')}`, { cause: error });
  } finally {
    probe.destroy();
  }
}
