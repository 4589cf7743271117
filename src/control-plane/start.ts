import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Config } from '../config.ts';
import { createPool } from '../database/pool.ts';
import { listeningUrl } from '../http/listening-url.ts';
import { createManagementApp, type HealthState } from '../http/management-app.ts';
import { BoundedVerifier } from '../keys/bounded-verifier.ts';
import { ClientAuthentication } from '../keys/client-authentication.ts';
import { KeyAuthenticator } from '../keys/key-authenticator.ts';
import { PostgresKeyStore } from '../keys/postgres-key-store.ts';
import { Replica } from '../keys/replica.ts';
import { Argon2SecretVerifier } from '../keys/secret-verifier.ts';
import { createControlPlaneApp } from './app.ts';
import { auditLog } from './audit/audit-log.ts';
import { KeyConversion } from './convert/convert-keys.ts';
import { allowedEndpoints } from './convert/endpoints.ts';
import { Database } from './database.ts';
import { ExpiryWatch } from './expiry/expiry-watch.ts';
import type { Webhook } from './expiry/webhook.ts';
import { Heartbeat } from './heartbeat.ts';
import { RefusalTrail } from './http/refusal-trail.ts';
import { KeyLifecycle } from './keys/key-lifecycle.ts';
import { lifecycleDeps } from './keys/lifecycle-deps.ts';
import { ControlPlaneMetrics } from './metrics.ts';
import { CustomRoles } from './roles/custom-roles.ts';

/**
 * Connections for finding out who calls, apart from those for what they ask: changes of one organization wait for each
 * other, and must not keep everybody else at the door.
 */
const LOOKUP_CONNECTIONS = 2;
const WAITING_LOOKUPS = 256;

/** A control plane that listens. */
export interface ControlPlane {
  url: string;
  managementUrl: string;
  /** Unready first, then drains, then lets go of everything. */
  close(): Promise<void>;
}

/** Builds the control plane and starts it; resolves when it listens. It starts without the primary, too. */
export async function startControlPlane(config: Config, logger: Logger): Promise<ControlPlane> {
  const now = Date.now;
  const connect = (size: number) =>
    createPool(config.PRIMARY_DATABASE_URL ?? '', {
      applicationName: 'iam-control-plane',
      size,
      connectTimeoutMs: config.DATABASE_CONNECT_TIMEOUT_MS,
      queryTimeoutMs: config.DATABASE_QUERY_TIMEOUT_MS,
      onIdleError: (error) => logger.warn({ err: error }, 'a connection to the primary broke'),
    });
  const pool = connect(config.DATABASE_POOL_SIZE);
  const lookups = connect(LOOKUP_CONNECTIONS);
  const database = new Database(pool, auditLog(logger));
  const deps = lifecycleDeps(config, database, { now, randomBytes });
  const verifier = new BoundedVerifier(new Argon2SecretVerifier(now), {
    concurrency: config.ARGON2_CONCURRENCY,
    queueLimit: config.ARGON2_QUEUE_LIMIT,
  });
  const clientAuthentication = new ClientAuthentication(config.CLIENT_AUTHENTICATION_SECRETS);
  const authenticator = new KeyAuthenticator({
    acceptedPrefixes: config.ACCEPTED_CREDENTIAL_PREFIXES,
    keys: new PostgresKeyStore(
      new Replica(lookups, {
        connections: LOOKUP_CONNECTIONS,
        waiting: WAITING_LOOKUPS,
        waitMs: config.DATABASE_CONNECT_TIMEOUT_MS,
      }),
      now,
    ),
    secrets: verifier,
    clientAuthentication,
    now,
  });
  const heartbeat = new Heartbeat(new Database(lookups), logger);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const metrics = new ControlPlaneMetrics(registry, { heartbeat, verifier });
  const expiry = new ExpiryWatch({
    database,
    logger,
    metrics,
    now,
    checkIntervalMs: config.EXPIRY_CHECK_INTERVAL_MS,
    webhook: webhookOf(config),
  });
  const services = {
    authenticator,
    clientAuthentication,
    database,
    conversion: new KeyConversion(deps, allowedEndpoints(config.CONVERT_ALLOWED_HOSTS)),
    keys: new KeyLifecycle(deps),
    roles: new CustomRoles(deps),
    refusals: new RefusalTrail(database),
  };
  const app = await createControlPlaneApp(config, logger, services, (made) => metrics.measure(made));
  const health: HealthState = {
    closing: false,
    get started() {
      return heartbeat.begun;
    },
    // The primary being away is no obstacle: every other instance has the same one.
    obstacles: () => (heartbeat.begun ? [] : ['the primary has not answered yet']),
  };
  const management = await createManagementApp({ health, registry, logger });
  await management.listen({ host: config.HOST, port: config.MANAGEMENT_PORT });
  await app.listen({ host: config.HOST, port: config.CONTROL_PLANE_PORT });
  heartbeat.start();
  expiry.start();

  return {
    url: listeningUrl(app),
    managementUrl: listeningUrl(management),
    close: async () => {
      health.closing = true;
      await app.close();
      await Promise.all([heartbeat.stop(), expiry.stop()]);
      await Promise.all([pool.end(), lookups.end()]);
      await management.close();
    },
  };
}

function webhookOf(config: Config): Webhook | undefined {
  const { EXPIRY_WEBHOOK_URL: url, EXPIRY_WEBHOOK_SECRET: secret } = config;
  return url === undefined || secret === undefined ? undefined : { url, secret };
}
