import { join } from 'node:path';
import type { Config } from '../src/config.ts';
import { childEnvironment, type ServerExit } from './child-process.ts';
import type { DatabaseUrls } from './databases.ts';
import { logTail } from './log-files.ts';
import { passedSettings } from './passed-settings.ts';
import type { PortPlan } from './port-plan.ts';
import type { ProcessGroup, StackProcess } from './process-group.ts';
import type { DevSecrets } from './secrets.ts';
import { startService } from './service-process.ts';
import { settleBoth } from './settle-both.ts';
import type { StateDirectory } from './state-directory.ts';

interface DevServicesOptions {
  state: StateDirectory;
  plan: PortPlan;
  secrets: DevSecrets;
  processes: ProcessGroup;
  environment: NodeJS.ProcessEnv;
  config: Config;
  urls: DatabaseUrls;
  redisUrl: string | undefined;
}

/** Limit for requests in flight; it must fit into the ten seconds in which the whole stack stops. */
const SHUTDOWN_TIMEOUT_MS = 3_000;

/** Starts the regional service and the control plane, and waits until both are ready. */
export async function startDevServices(options: DevServicesOptions): Promise<void> {
  const { plan, urls, redisUrl } = options;
  const common = commonSettings(options);
  await settleBoth(
    startOne(options, {
      name: 'regional service',
      command: 'regional',
      managementPort: plan.regionalManagement,
      env: {
        ...common,
        REGIONAL_PORT: String(plan.regional),
        REPLICA_DATABASE_URL: urls.replica,
        CONTROL_PLANE_URL: `http://127.0.0.1:${plan.controlPlane}`,
        ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl, CACHE_KEYS: options.secrets.cacheKey }),
      },
      exitEffect: () => 'fatal',
    }),
    startOne(options, {
      name: 'control plane',
      command: 'control-plane',
      managementPort: plan.controlPlaneManagement,
      env: {
        ...common,
        CONTROL_PLANE_PORT: String(plan.controlPlane),
        PRIMARY_DATABASE_URL: urls.primary,
      },
      // A developer may stop it to see that regions keep authenticating. A crash is fatal.
      exitEffect: ({ code, signal }) => (signal !== null || code === 0 ? 'degraded' : 'fatal'),
    }),
  );
}

interface OneService {
  name: string;
  command: 'regional' | 'control-plane';
  managementPort: number;
  env: NodeJS.ProcessEnv;
  exitEffect: (exit: ServerExit) => ReturnType<StackProcess['exitEffect']>;
}

async function startOne({ state, processes }: DevServicesOptions, service: OneService): Promise<void> {
  const { name, command, managementPort, exitEffect } = service;
  const logFile = join(state.directory, 'logs', `${command}.log`);
  const running = await startService({
    name,
    command,
    env: { ...service.env, MANAGEMENT_PORT: String(managementPort) },
    managementUrl: `http://127.0.0.1:${managementPort}`,
    logFile,
    pidFile: join(state.directory, `${command}.pid`),
  });
  const { pid, exited } = running;
  const stop = () => running.stop();
  processes.add({ name, pid, exited, stage: 0, stop, exitEffect, logTail: () => logTail(logFile) });
  await running.ready();
}

/** The user's settings for both services; the settings of the local stack override them. */
function commonSettings({ environment, config, secrets }: DevServicesOptions): NodeJS.ProcessEnv {
  return {
    ...childEnvironment,
    ...passedSettings(environment),
    HOST: '127.0.0.1',
    CREDENTIAL_PREFIX: config.CREDENTIAL_PREFIX,
    CLIENT_AUTHENTICATION_SECRETS: secrets.clientSecret,
    FORWARDING_SECRETS: secrets.forwardingSecret,
    SHUTDOWN_TIMEOUT_MS: String(SHUTDOWN_TIMEOUT_MS),
  };
}
