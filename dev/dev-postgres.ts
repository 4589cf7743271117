import { join } from 'node:path';
import { postgresSettings } from './databases.ts';
import { openLogFile } from './log-files.ts';
import type { PortPlan } from './port-plan.ts';
import { type PostgresServer, startPostgres } from './postgres/server.ts';
import type { ProcessGroup } from './process-group.ts';
import type { DevSecrets } from './secrets.ts';
import { settleBoth } from './settle-both.ts';
import type { StateDirectory } from './state-directory.ts';

/** Starts both Postgres servers at the same time. */
export async function startDevPostgres(
  state: StateDirectory,
  plan: PortPlan,
  secrets: DevSecrets,
  processes: ProcessGroup,
): Promise<{ primary: PostgresServer; region: PostgresServer }> {
  const start = async (key: 'primary' | 'region', name: string, stage: number) => {
    const log = openLogFile(join(state.directory, 'logs', `${key}-postgres.log`));
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
    processes.add({ name, pid, exited, stage, stop, exitEffect: () => 'degraded', logTail: log.tail });
    return server;
  };
  // The region stops first, because a primary waits for its subscribers.
  const [primary, region] = await settleBoth(
    start('primary', 'primary Postgres', 2),
    start('region', 'regional Postgres', 1),
  );
  return { primary, region };
}
