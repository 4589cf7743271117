import { join } from 'node:path';
import type { Config } from '../src/config.ts';
import { both } from './both.ts';
import { childEnvironment, type ServerExit } from './child-process.ts';
import type { DatabaseUrls } from './databases.ts';
import type { Part, Parts } from './parts.ts';
import { passedSettings } from './passed-settings.ts';
import type { PortPlan } from './port-plan.ts';
import type { DevSecrets } from './secrets.ts';
import { logTail } from './service-log.ts';
import { startService } from './service-process.ts';
import type { StateDirectory } from './state-directory.ts';

interface DevServicesOptions {
  state: StateDirectory;
  plan: PortPlan;
  secrets: DevSecrets;
  parts: Parts;
  environment: NodeJS.ProcessEnv;
  config: Config;
  urls: DatabaseUrls;
  redisUrl: string | undefined;
}

/** Ends a request under way; a part of the ten seconds that everything has for stopping. */
const SHUTDOWN_TIMEOUT_MS = 3_000;

/** Starts our two services and waits until both are ready. */
export async function startDevServices(options: DevServicesOptions): Promise<void> {
  const { plan, urls, redisUrl } = options;
  const common = commonSettings(options);
  await both(
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
      loss: () => 'fatal',
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
      // Stopped by a person who wants to see that regions do not care; a failure of its own is another matter.
      loss: ({ code, signal }) => (signal !== null || code === 0 ? 'goes on' : 'fatal'),
    }),
  );
}

interface OneService {
  name: string;
  command: 'regional' | 'control-plane';
  managementPort: number;
  env: NodeJS.ProcessEnv;
  loss: (exit: ServerExit) => ReturnType<Part['loss']>;
}

async function startOne({ state, parts }: DevServicesOptions, service: OneService): Promise<void> {
  const { name, command, managementPort, loss } = service;
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
  parts.add({ name, pid, exited, stage: 0, stop, loss, logTail: () => logTail(logFile) });
  await running.ready();
}

/** What the user set for both services, under what this topology decides itself. */
function commonSettings({ environment, config, secrets }: DevServicesOptions): NodeJS.ProcessEnv {
  return {
    ...childEnvironment,
    ...passedSettings(environment),
    HOST: '127.0.0.1',
    CREDENTIAL_PREFIX: config.CREDENTIAL_PREFIX,
    CLIENT_AUTHENTICATION_SECRETS: secrets.clientSecret,
    SHUTDOWN_TIMEOUT_MS: String(SHUTDOWN_TIMEOUT_MS),
  };
}
