import { appendFile, chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { usableBinaries } from '../../../dev/postgres/binaries.ts';
import { startPostgres } from '../../../dev/postgres/server.ts';
import { resolveServerUser } from '../../../dev/postgres/server-user.ts';
import type { DistantHost } from './distant-host.ts';
import { startTestPostgres } from './postgres.ts';

/** A Postgres on a distant host. */
export interface DistantPostgres {
  /** Through the network, which can drop packets. */
  networkUrl(database: string): string;
  /** Past the network, through a Unix socket: for the test itself. */
  url(database: string): string;
  stop(): Promise<void>;
}

/**
 * Starts Postgres on a distant host.
 * @param scratch a directory that Postgres' account can enter
 */
export async function startDistantPostgres(
  host: DistantHost,
  scratch: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<DistantPostgres> {
  const dataDirectory = join(scratch, 'distant');
  // initdb needs no network.
  const { server: first, access } = await startTestPostgres(dataDirectory);
  await first.stop();
  await appendFile(join(dataDirectory, 'pg_hba.conf'), 'host all all samenet scram-sha-256\n');

  const user = await resolveServerUser();
  const binaries = await usableBinaries(user);
  // Only root may enter the host, and Postgres refuses to run as root.
  const launcher = join(scratch, 'postgres-on-distant-host');
  const account = user ? `--setuid=${user.uid} --setgid=${user.gid}` : '';
  await writeFile(
    launcher,
    `#!/bin/sh\nexec ${host.enter.join(' ')} ${account} '${binaries.postgres}' "$@"\n`,
  );
  await chmod(launcher, 0o700);
  const server = await startPostgres({
    dataDirectory,
    port: access.port,
    superuserPassword: access.password,
    user: { name: 'root', uid: 0, gid: 0 },
    binaries: { ...binaries, postgres: launcher },
    settings: {
      wal_level: 'logical',
      fsync: 'off',
      shared_buffers: '32MB',
      listen_addresses: host.address,
      unix_socket_directories: dataDirectory,
      ...settings,
    },
  });
  const login = `postgres:${access.password}`;
  return {
    networkUrl: (database) => `postgres://${login}@${host.address}:${access.port}/${database}`,
    url: (database) =>
      `postgres://${login}@/${database}?host=${encodeURIComponent(dataDirectory)}&port=${access.port}`,
    stop: () => server.stop('immediate'),
  };
}
