import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Config, Environment } from '../config.ts';
import { listeningUrl, listenOn } from '../http/listening-url.ts';
import { createManagementApp } from '../http/management-app.ts';
import { Traffic } from '../http/traffic.ts';
import { SecretReload } from '../keys/secret-reload.ts';
import { startOrClose } from '../lib/start-or-close.ts';
import { createRegionalApp } from './app.ts';
import { AuthenticationMetrics } from './authentication-metrics.ts';
import { composeAuthentication } from './compose-authentication.ts';
import { controlPlaneOf } from './control-plane.ts';
import { forwardedCallsCounter } from './forwarding/forwarding-metrics.ts';
import { openRegion } from './open-region.ts';
import { regionHealth } from './region-health.ts';
import { RepairRequests } from './repair-requests.ts';

/** A running regional service. */
export interface RegionalService {
  url: string;
  managementUrl: string;
  /** Fails readiness, drains open requests, then closes all connections. */
  close(): Promise<void>;
}

/**
 * Composes the regional service and starts it; resolves when it listens. `/readyz` succeeds later (`regionHealth`). A start that fails
 * closes what it has opened.
 * @param environment names the files of secrets, which are read again
 */
export async function startRegionalService(
  config: Config,
  logger: Logger,
  environment: Environment = {},
): Promise<RegionalService> {
  return startOrClose((opened) => start(config, logger, environment, opened));
}

/** @param opened closes in the reverse order what this has opened */
async function start(
  config: Config,
  logger: Logger,
  environment: Environment,
  opened: AsyncDisposableStack,
): Promise<RegionalService> {
  const now = Date.now;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  let management: FastifyInstance | undefined;
  // Closed last: until then the probes say that the pod is closing.
  opened.defer(async () => management?.close());
  const region = await openRegion(config, logger, registry, now, opened);
  const traffic = new Traffic(config, registry);
  const authentication = composeAuthentication(config, region, traffic.responses, now);

  let [forwardingSecret] = config.FORWARDING_SECRETS;
  const controlPlane = controlPlaneOf(config, () => forwardingSecret);
  const repairs = new RepairRequests({
    replica: region.replica,
    divergedBuckets: () => region.replication.lag?.divergedBuckets,
    controlPlane: forwardingSecret === undefined ? undefined : controlPlane,
    logger,
  });
  const secrets = new SecretReload({
    current: config,
    environment,
    onChange: (changed) => {
      authentication.replaceClientSecrets(changed.CLIENT_AUTHENTICATION_SECRETS);
      [forwardingSecret] = changed.FORWARDING_SECRETS;
    },
    logger,
  });
  for (const task of [repairs, secrets]) {
    opened.defer(() => task.stop());
    task.start();
  }

  const health = regionHealth(region, now);
  const app = await createRegionalApp(config, logger, {
    service: authentication.service,
    clientAuthentication: authentication.clientAuthentication,
    metrics: new AuthenticationMetrics(registry),
    forwardedCalls: forwardedCallsCounter(registry),
    arrival: region.arrival,
    traffic,
    controlPlane,
  });
  opened.defer(async () => {
    health.closing = true;
    await app.close();
  });
  management = await createManagementApp({ health, registry, logger });
  await listenOn(app, config.HOST, config.REGIONAL_PORT, 'REGIONAL_PORT');
  // Listens last: the feed may have caught up, and /readyz must not succeed before the service port is open.
  await listenOn(management, config.MANAGEMENT_HOST, config.MANAGEMENT_PORT, 'MANAGEMENT_PORT');
  return {
    url: listeningUrl(app),
    managementUrl: listeningUrl(management),
    close: () => opened.disposeAsync(),
  };
}
