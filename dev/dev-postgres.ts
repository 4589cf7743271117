import { join } from 'node:path';
import { postgresSettings } from './databases.ts';
import { openLogFile } from './log-files.ts';
import { moveAside, PRIMARY, REGION } from './lost-data.ts';
import type { PortPlan } from './port-plan.ts';
import { DamagedDataDirectory } from './postgres/failure.ts';
import { type PostgresServer, startPostgres } from './postgres/server.ts';
import type { ProcessGroup } from './process-group.ts';
import type { DevSecrets } from './secrets.ts';
import { settleBoth } from './settle-both.ts';
import type { StateDirectory } from './state-directory.ts';

export interface DevPostgresOptions {
  state: StateDirectory;
  plan: PortPlan;
  secrets: DevSecrets;
  processes: ProcessGroup;
  say: (line: string) => void;
}

/** Starts both Postgres servers at the same time. A damaged region becomes an empty one. */
export async function startDevPostgres(
  options: DevPostgresOptions,
): Promise<{ primary: PostgresServer; region: PostgresServer }> {
  const [primary, region] = await settleBoth(startPrimary(options), startRegion(options));
  // Only now it is known that the primary has the keys.
  return { primary, region: region ?? (await startRegionAgain(options)) };
}

async function startPrimary(options: DevPostgresOptions): Promise<PostgresServer> {
  try {
    return await start(options, PRIMARY, 'primary Postgres', 2);
  } catch (error) {
    if (!(error instanceof DamagedDataDirectory)) throw error;
    throw new Error(
      `The data of the primary is damaged. Put back a copy of ${join(options.state.postgresDirectory, PRIMARY)}, or delete all keys and start again: npm start -- --reset\n${error.message}`,
    );
  }
}

/** The region stops first, because a primary waits for its subscribers. */
const startRegionalServer = (options: DevPostgresOptions) => start(options, REGION, 'regional Postgres', 1);

/** @returns undefined if the data directory is damaged */
async function startRegion(options: DevPostgresOptions): Promise<PostgresServer | undefined> {
  try {
    return await startRegionalServer(options);
  } catch (error) {
    if (error instanceof DamagedDataDirectory) return undefined;
    throw error;
  }
}

async function startRegionAgain(options: DevPostgresOptions): Promise<PostgresServer> {
  const kept = await moveAside(join(options.state.postgresDirectory, REGION));
  options.say(`The data directory of the region is damaged. It is now in ${kept}.`);
  return startRegionalServer(options);
}

async function start(
  { state, plan, secrets, processes }: DevPostgresOptions,
  key: typeof PRIMARY | typeof REGION,
  name: string,
  stage: number,
): Promise<PostgresServer> {
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
}
