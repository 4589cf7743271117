import { join } from 'node:path';
import { both } from './both.ts';
import { postgresSettings } from './databases.ts';
import type { Parts } from './parts.ts';
import type { PortPlan } from './port-plan.ts';
import { type PostgresServer, startPostgres } from './postgres/server.ts';
import type { DevSecrets } from './secrets.ts';
import { serverLog } from './server-log.ts';
import type { StateDirectory } from './state-directory.ts';

/** Starts both Postgres servers at the same time. */
export async function startDevPostgres(
  state: StateDirectory,
  plan: PortPlan,
  secrets: DevSecrets,
  parts: Parts,
): Promise<{ primary: PostgresServer; region: PostgresServer }> {
  const start = async (key: 'primary' | 'region', name: string, stage: number) => {
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
  };
  // The region stops first: a primary waits for those who replicate from it.
  const [primary, region] = await both(
    start('primary', 'primary Postgres', 2),
    start('region', 'regional Postgres', 1),
  );
  return { primary, region };
}
