import type { Config } from '../src/config.ts';
import type { DatabaseUrls } from './databases.ts';
import { passedSettings } from './passed-settings.ts';
import type { PortPlan } from './port-plan.ts';
import type { DevSecrets } from './secrets.ts';

/** What the settings of the services depend on. */
export interface ServiceSettingsOptions {
  plan: PortPlan;
  secrets: DevSecrets;
  environment: NodeJS.ProcessEnv;
  config: Config;
  urls: DatabaseUrls;
  redisUrl: string | undefined;
}

/** Limit for requests in flight; it must fit into the ten seconds in which the whole stack stops. */
const SHUTDOWN_TIMEOUT_MS = 3_000;

/** The settings of the regional service. */
export function regionalSettings(options: ServiceSettingsOptions): Record<string, string> {
  const { plan, secrets, urls, redisUrl } = options;
  return {
    ...commonSettings(options),
    REGIONAL_PORT: String(plan.regional),
    MANAGEMENT_PORT: String(plan.regionalManagement),
    REPLICA_DATABASE_URL: urls.replica,
    CONTROL_PLANE_URL: `http://127.0.0.1:${plan.controlPlane}`,
    ...(redisUrl !== undefined && { REDIS_URL: redisUrl, CACHE_KEYS: secrets.cacheKey }),
  };
}

/** The settings of the control plane. */
export function controlPlaneSettings(options: ServiceSettingsOptions): Record<string, string> {
  const { plan, urls } = options;
  return {
    ...commonSettings(options),
    CONTROL_PLANE_PORT: String(plan.controlPlane),
    MANAGEMENT_PORT: String(plan.controlPlaneManagement),
    PRIMARY_DATABASE_URL: urls.primary,
  };
}

/** The user's settings for both services; the settings of the local stack override them. */
function commonSettings({ environment, config, secrets }: ServiceSettingsOptions): Record<string, string> {
  return {
    ...passedSettings(environment),
    HOST: '127.0.0.1',
    CREDENTIAL_PREFIX: config.CREDENTIAL_PREFIX,
    CLIENT_AUTHENTICATION_SECRETS: secrets.clientSecret,
    FORWARDING_SECRETS: secrets.forwardingSecret,
    SHUTDOWN_TIMEOUT_MS: String(SHUTDOWN_TIMEOUT_MS),
  };
}
