import { join } from 'node:path';
import { postgresSettings } from './databases.ts';
import type { Parts } from './parts.ts';
import type { PortPlan } from './port-plan.ts';
import { type PostgresServer, startPostgres } from './postgres/server.ts';
import type { DevSecrets } from './secrets.ts';
import { serverLog } from './server-log.ts';
import type { StateDirectory } from './state-directory.ts';

/** The region stops first: a primary waits for those who replicate from it. */
const servers = [
  { key: 'primary', name: 'primary Postgres', stage: 2 },
  { key: 'region', name: 'regional Postgres', stage: 1 },
] as const;

/** Starts both Postgres servers at the same time. */
export async function startDevPostgres(
  state: StateDirectory,
  plan: PortPlan,
  secrets: DevSecrets,
  parts: Parts,
): Promise<{ primary: PostgresServer; region: PostgresServer }> {
  const started = await Promise.allSettled(
    servers.map(async ({ key, name, stage }) => {
      const log = serverLog(join(state.directory, 'logs', `${key}-postgres.log`));
      const server = await startPostgres({
        dataDirectory: join(state.postgresDirectory, key),
        port: plan[key],
        superuserPassword: secrets.superuserPassword,
        settings: postgresSettings,
        onLog: log.write,
        user: state.user,
        binaries: state.binaries,
      });
      const { pid, exited } = server;
      const stop = () => server.stop();
      parts.add({ name, pid, exited, stage, stop, loss: () => 'goes on', logTail: log.tail });
      return server;
    }),
  );
  const [primary, region] = started.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  }) as [PostgresServer, PostgresServer];
  return { primary, region };
}
