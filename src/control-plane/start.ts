import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Config, Environment } from '../config.ts';
import { createPool } from '../database/pool.ts';
import { SchemaCheck } from '../database/schema-check.ts';
import { IamError } from '../errors.ts';
import { listeningUrl, listenOn } from '../http/listening-url.ts';
import { createManagementApp, type HealthState } from '../http/management-app.ts';
import { Traffic } from '../http/traffic.ts';
import { BoundedVerifier } from '../keys/bounded-verifier.ts';
import { ClockCheck, CONTROL_PLANE_WORDS } from '../keys/change-feed/clock-check.ts';
import { ClientAuthentication } from '../keys/client-authentication.ts';
import { KeyAuthenticator } from '../keys/key-authenticator.ts';
import { PostgresKeyStore } from '../keys/postgres-key-store.ts';
import { Replica } from '../keys/replica.ts';
import { SecretReload } from '../keys/secret-reload.ts';
import { Argon2SecretVerifier } from '../keys/secret-verifier.ts';
import { TaggedVerifier } from '../keys/tagged-verifier.ts';
import { startOrClose } from '../lib/start-or-close.ts';
import { createControlPlaneApp } from './app.ts';
import { auditLog } from './audit/audit-log.ts';
import { recordEvent } from './audit/record-event.ts';
import { RefusalCounter } from './audit/refusal-counter.ts';
import { KeyConversion } from './convert/convert-keys.ts';
import { allowedEndpoints } from './convert/endpoints.ts';
import { Database } from './database.ts';
import { DigestPublisher } from './digests/digest-publisher.ts';
import { ExpiryWatch } from './expiry/expiry-watch.ts';
import type { Webhook } from './expiry/webhook.ts';
import { Heartbeat } from './heartbeat.ts';
import { CallerGate } from './http/caller-gate.ts';
import type { ForwardedResult } from './http/client-address.ts';
import { RefusalTrail } from './http/refusal-trail.ts';
import { KeyLifecycle } from './keys/key-lifecycle.ts';
import { lifecycleDeps } from './keys/lifecycle-deps.ts';
import { ControlPlaneMetrics } from './metrics.ts';
import { RepairPublisher } from './repairs/repair-publisher.ts';
import { CustomRoles } from './roles/custom-roles.ts';
import { SlotWatch } from './slot-watch.ts';

/**
 * Connections for authentication, separate from those for changes. Changes of one organization wait for its lock; without this
 * separation they could use up the pool and block the authentication of all callers.
 */
const LOOKUP_CONNECTIONS = 2;
const MAX_WAITING_LOOKUPS = 256;

/** A running control plane. */
export interface ControlPlane {
  url: string;
  managementUrl: string;
  /** Fails readiness first, then drains requests, then releases all resources. */
  close(): Promise<void>;
}

/**
 * Builds and starts the control plane. Resolves when it listens, even if the primary is not available. A start that fails closes what it
 * has opened.
 * @param environment names the files of secrets, which are read again
 */
export async function startControlPlane(
  config: Config,
  logger: Logger,
  environment: Environment = {},
): Promise<ControlPlane> {
  return startOrClose((opened) => start(config, logger, environment, opened));
}

/** @param opened closes in the reverse order what this has opened */
async function start(
  config: Config,
  logger: Logger,
  environment: Environment,
  opened: AsyncDisposableStack,
): Promise<ControlPlane> {
  let management: FastifyInstance | undefined;
  // Closed last: until then the probes say that the process is closing.
  opened.defer(async () => management?.close());
  const now = Date.now;
  // This process sets the times of expiry itself, so its clock decides.
  const hasPassed = (atMs: number) => atMs <= now();
  const connect = (size: number) => {
    const pool = createPool(config.PRIMARY_DATABASE_URL ?? '', {
      applicationName: 'iam-control-plane',
      size,
      connectTimeoutMs: config.DATABASE_CONNECT_TIMEOUT_MS,
      queryTimeoutMs: config.DATABASE_QUERY_TIMEOUT_MS,
      transactionPooling: config.DATABASE_TRANSACTION_POOLING,
      onIdleError: (error) => logger.warn({ err: error }, 'an idle connection to the primary failed'),
    });
    opened.defer(() => pool.end());
    return pool;
  };
  const pool = connect(config.DATABASE_POOL_SIZE);
  const lookups = connect(LOOKUP_CONNECTIONS);
  const comparisons = connect(1);
  const database = new Database(pool, auditLog(logger));
  const clock = new ClockCheck({
    now,
    monotonicNow: () => performance.now(),
    logger,
    toleranceMs: config.CLOCK_TOLERANCE_MS,
    words: CONTROL_PLANE_WORDS,
  });
  // Before the first comparison the control plane is not ready anyway.
  const nowForExpiry = () => {
    if (clock.offsetMs !== undefined && !clock.isRight) throw new IamError('CLOCK_WRONG');
    return now();
  };
  const deps = lifecycleDeps(config, database, { now, nowForExpiry, randomBytes });
  const verifier = new BoundedVerifier(new Argon2SecretVerifier(hasPassed), {
    concurrency: config.ARGON2_CONCURRENCY,
    queueLimit: config.ARGON2_QUEUE_LIMIT,
  });
  const clientAuthentication = new ClientAuthentication(config.CLIENT_AUTHENTICATION_SECRETS);
  const regions = new ClientAuthentication(config.FORWARDING_SECRETS);
  const secrets = new SecretReload({
    current: config,
    environment,
    onChange: (changed) => {
      clientAuthentication.replace(changed.CLIENT_AUTHENTICATION_SECRETS);
      regions.replace(changed.FORWARDING_SECRETS);
    },
    logger,
  });
  const authenticator = new KeyAuthenticator({
    acceptedPrefixes: config.ACCEPTED_CREDENTIAL_PREFIXES,
    keys: new PostgresKeyStore(
      new Replica(
        lookups,
        {
          connections: LOOKUP_CONNECTIONS,
          waiting: MAX_WAITING_LOOKUPS,
          waitMs: config.DATABASE_CONNECT_TIMEOUT_MS,
        },
        config.DATABASE_TRANSACTION_POOLING ? 'unnamed' : 'named',
      ),
      now,
    ),
    secrets: new TaggedVerifier(verifier, hasPassed),
    clientAuthentication,
    hasPassed,
  });
  const lookupDatabase = new Database(lookups);
  const heartbeat = new Heartbeat(lookupDatabase, logger, clock);
  const schema = new SchemaCheck((text) => lookupDatabase.query(text), 'primary');
  const digests = new DigestPublisher(new Database(comparisons), logger);
  const repairs = new RepairPublisher(new Database(comparisons), logger);
  const slots = new SlotWatch(lookupDatabase, logger);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const metrics = new ControlPlaneMetrics(registry, { heartbeat, clock, digests, repairs, slots, verifier });
  const expiry = new ExpiryWatch({
    database,
    logger,
    metrics,
    now,
    checkIntervalMs: config.EXPIRY_CHECK_INTERVAL_MS,
    webhook: webhookFrom(config),
  });
  const refusals = new RefusalCounter({
    write: (event) => recordEvent(database, event),
    now,
    onWriteFailed: (error) => logger.error({ err: error }, 'an audit event of a refusal was not written'),
  });
  const callers = new CallerGate({
    authenticator,
    failuresPerMinute: config.RATE_LIMIT_PER_MINUTE,
    callsPerMinute: config.CALLER_RATE_LIMIT_PER_MINUTE,
    now,
  });
  const services = {
    callers,
    clientAuthentication,
    regions,
    database,
    conversion: new KeyConversion(deps, allowedEndpoints(config.CONVERT_ALLOWED_HOSTS), refusals),
    keys: new KeyLifecycle(deps),
    roles: new CustomRoles(deps),
    traffic: new Traffic(config, registry),
    refusals: new RefusalTrail(database, refusals),
    onForwarded: (result: ForwardedResult) => metrics.forwardedRequests.inc({ result }),
  };
  opened.defer(async () => {
    schema.stop();
    const tasks = [heartbeat, digests, repairs, slots, expiry, refusals, secrets];
    await Promise.all(tasks.map((task) => task.stop()));
  });
  const app = await createControlPlaneApp(config, logger, services, (server) => metrics.measure(server));
  const health: HealthState = {
    closing: false,
    get started() {
      return heartbeat.hasSucceeded;
    },
    // A later outage of the primary does not affect readiness: all instances share the primary.
    obstacles: () => [
      ...(heartbeat.hasSucceeded
        ? clock.obstacles()
        : [`no heartbeat was written yet: ${heartbeat.lastFailure ?? 'the primary has not responded'}`]),
      ...schema.obstacles,
    ],
  };
  opened.defer(async () => {
    health.closing = true;
    await app.close();
  });
  management = await createManagementApp({ health, registry, logger });
  await listenOn(management, config.MANAGEMENT_HOST, config.MANAGEMENT_PORT, 'MANAGEMENT_PORT');
  await listenOn(app, config.HOST, config.CONTROL_PLANE_PORT, 'CONTROL_PLANE_PORT');
  schema.start();
  heartbeat.start(0);
  digests.start();
  slots.start();
  repairs.start();
  expiry.start();
  refusals.start();
  secrets.start();

  return {
    url: listeningUrl(app),
    managementUrl: listeningUrl(management),
    close: () => opened.disposeAsync(),
  };
}

function webhookFrom(config: Config): Webhook | undefined {
  const { EXPIRY_WEBHOOK_URL: url, EXPIRY_WEBHOOK_SECRET: secret } = config;
  return url === undefined || secret === undefined ? undefined : { url, secret };
}
