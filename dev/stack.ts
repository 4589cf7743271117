import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '../src/config.ts';
import { prepareDatabases, untilReplicated } from './databases.ts';
import { cliEnvironment, demoEnvironment, regionalEnvironment } from './demo-environment.ts';
import { startDevPostgres } from './dev-postgres.ts';
import { startDevRedis } from './dev-redis.ts';
import { startDevServices } from './dev-services.ts';
import { assertKeysRemain, emptyRedisOfLostRegion } from './lost-data.ts';
import { passedSettings } from './passed-settings.ts';
import { portPlan, wantedPorts } from './port-plan.ts';
import { assertPortsFree } from './ports.ts';
import { stopLeftoverPostmaster } from './postgres/leftover.ts';
import { writePrivateFile } from './private-file.ts';
import type { ProcessGroup } from './process-group.ts';
import { findRedisBinary } from './redis/binary.ts';
import { stopLeftoverRedis } from './redis/server.ts';
import { type DevSecrets, generateSecrets, readSecrets, writeSecrets } from './secrets.ts';
import { seed } from './seeds.ts';
import { stopLeftoverService } from './service-process.ts';
import { regionalSettings } from './service-settings.ts';
import { settleBoth } from './settle-both.ts';
import { emptyStateDirectory, type StateDirectory } from './state-directory.ts';

/** Prefix of every credential of the local stack, so that it is not mistaken for a production credential. */
const DEV_CREDENTIAL_PREFIX = 'essu_dev';

interface StackOptions {
  state: StateDirectory;
  reset: boolean;
  portBase: number;
  environment: NodeJS.ProcessEnv;
  processes: ProcessGroup;
  say: (line: string) => void;
  /** Checked between steps; each step is short. */
  signal: AbortSignal;
}

/**
 * Starts the local stack. The caller holds the lock of the state directory. When it throws, `processes` contains every
 * process that it has started.
 * @throws Error with a readable message: a port in use, or a server that failed with its last log lines
 */
export async function startStack(options: StackOptions): Promise<void> {
  const { state, environment, processes, say, signal } = options;
  const plan = portPlan(options.portBase);
  const config = loadConfig({ ...passedSettings(environment), CREDENTIAL_PREFIX: DEV_CREDENTIAL_PREFIX });

  await stopLeftovers(state);
  const secrets = await openState(options);
  const redisBinary = environment.REDIS_URL ? undefined : await findRedisBinary(environment.PATH);
  await assertPortsFree(wantedPorts(plan, redisBinary !== undefined));
  signal.throwIfAborted();

  say('Starting Postgres: a primary and a regional server.');
  const [servers, redisUrl] = await settleBoth(
    startDevPostgres({ state, plan, secrets, processes, say }),
    environment.REDIS_URL
      ? Promise.resolve(environment.REDIS_URL)
      : startDevRedis(state, plan, secrets, processes, redisBinary),
  );
  if (redisUrl === undefined) {
    say('Running without Redis: REDIS_URL is not set and the PATH has no redis-server or valkey-server.');
  }
  signal.throwIfAborted();

  say('Migrating the region, then the primary; subscribing the region.');
  const pause = async () => {
    signal.throwIfAborted();
    await sleep(20);
  };
  const databases = { ...servers, say, pause };
  const urls = await prepareDatabases(databases, secrets);
  signal.throwIfAborted();

  say('Starting the control plane and the regional service.');
  const save = () => writeSecrets(state.directory, secrets);
  const services = { plan, secrets, environment, config, urls, redisUrl };
  await settleBoth(
    seed(urls.primary, config, secrets, save),
    startDevServices({ ...services, state, processes }),
  );
  await untilReplicated(databases);
  await writePrivateFile(join(state.directory, 'demo.env'), demoEnvironment(plan, secrets));
  await writePrivateFile(
    join(state.directory, 'cli.env'),
    cliEnvironment(urls.primary, config.CREDENTIAL_PREFIX),
  );
  await writePrivateFile(
    join(state.directory, 'regional.env'),
    regionalEnvironment(regionalSettings(services)),
  );
}

/** Servers of a killed supervisor still occupy the ports. */
async function stopLeftovers(state: StateDirectory): Promise<void> {
  const servers = await readdir(state.postgresDirectory).catch(() => []);
  await Promise.all([
    ...['regional', 'control-plane'].map((name) => stopLeftoverService(join(state.directory, `${name}.pid`))),
    ...servers.map((name) => stopLeftoverPostmaster(join(state.postgresDirectory, name))),
    stopLeftoverRedis(state.redisDirectory),
  ]);
}

/** Reads the secrets of earlier runs. Without them it starts from scratch. @throws Error when keys of earlier runs are lost */
async function openState({ state, reset }: StackOptions): Promise<DevSecrets> {
  const existing = reset ? undefined : await readSecrets(state.directory);
  if (!reset) await assertKeysRemain(state, existing);
  if (existing === undefined) await emptyStateDirectory(state);
  else await emptyRedisOfLostRegion(state);
  await mkdir(join(state.directory, 'logs'), { recursive: true, mode: 0o700 });
  await mkdir(state.postgresDirectory, { recursive: true });
  await chmod(state.postgresDirectory, 0o711);
  if (existing !== undefined) return existing;
  const secrets = generateSecrets(randomBytes);
  await writeSecrets(state.directory, secrets);
  return secrets;
}
