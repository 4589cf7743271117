import type { Logger } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Config, Environment } from '../config.ts';
import { createPool } from '../database/pool.ts';
import { listeningUrl, listenOn } from '../http/listening-url.ts';
import { createManagementApp, type HealthState } from '../http/management-app.ts';
import { ResponseBudget } from '../http/response-budget.ts';
import { Traffic } from '../http/traffic.ts';
import { cacheShares } from '../keys/cache/policies.ts';
import { ClientAuthentication } from '../keys/client-authentication.ts';
import { assertKeyCounts } from '../keys/confirmed-stores.ts';
import { KeyAuthenticator } from '../keys/key-authenticator.ts';
import { createRegionalKeyServices } from '../keys/regional-key-services.ts';
import { SecretReload } from '../keys/secret-reload.ts';
import { readAuthorities } from '../setting-file.ts';
import { createRegionalApp } from './app.ts';
import { AuthenticationMetrics } from './authentication-metrics.ts';
import { AuthenticationService } from './authentication-service.ts';
import { LoneOutage } from './lone-outage.ts';
import { PermissionsResolver } from './permissions.ts';
import { type RepairControlPlane, RepairRequests } from './repair-requests.ts';
import { ResponseCache } from './response-cache.ts';
import { RoleResolver } from './role-resolver.ts';
import { SharedResponses } from './shared-responses.ts';

const seconds = (ms: number | undefined) => (ms === undefined ? null : Math.round(ms / 100) / 10);
const because = (failure: string | undefined) => (failure === undefined ? '' : `: ${failure}`);

/** A running regional service. */
export interface RegionalService {
  url: string;
  managementUrl: string;
  /** Fails readiness, drains open requests, then closes all connections. */
  close(): Promise<void>;
}

/**
 * Composes the regional service and starts it; resolves when it listens. `/readyz` succeeds once the change feed has
 * caught up for the first time and the clock of the pod is right; the feed retries until then. Later it fails while this
 * pod alone cannot reach the replica.
 * @param environment names the files of secrets, which are read again
 */
export async function startRegionalService(
  config: Config,
  logger: Logger,
  environment: Environment = {},
): Promise<RegionalService> {
  const now = Date.now;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const pool = createPool(config.REPLICA_DATABASE_URL ?? '', {
    applicationName: 'iam-regional',
    size: config.DATABASE_POOL_SIZE,
    connectTimeoutMs: config.DATABASE_CONNECT_TIMEOUT_MS,
    queryTimeoutMs: config.DATABASE_QUERY_TIMEOUT_MS,
    transactionPooling: config.DATABASE_TRANSACTION_POOLING,
    onIdleError: (error) => logger.warn({ err: error }, 'an idle connection to the replica failed'),
    onConnect: async (client) => {
      const { rows } = await client.query<{ at: string }>('SELECT pg_postmaster_start_time()::text AS at');
      if (region.trust.connectedTo(rows[0]?.at ?? '')) region.changes.repeatReads();
    },
  });
  const region = await createRegionalKeyServices(config, pool, logger, registry, now);
  // Started first, so that it connects while the HTTP servers are built.
  region.feed.start();
  region.replication.start();
  let [forwardingSecret] = config.FORWARDING_SECRETS;
  const repairs = new RepairRequests({
    replica: region.replica,
    divergedBuckets: () => region.replication.lag?.divergedBuckets,
    controlPlane: controlPlaneFrom(config, () => forwardingSecret),
    logger,
  });
  repairs.start();
  region.confirmation?.start();
  const clientAuthentication = new ClientAuthentication(config.CLIENT_AUTHENTICATION_SECRETS);
  const authenticator = new KeyAuthenticator({
    acceptedPrefixes: config.ACCEPTED_CREDENTIAL_PREFIXES,
    keys: region.keys,
    secrets: region.secrets,
    clientAuthentication,
    hasPassed: region.hasPassed,
    mayLackKeys: () => region.replication.mayLackKeys,
  });
  const responses = new ResponseCache(
    region.freshness,
    region.hasPassed,
    { maxEntries: config.CACHE_MAX_ENTRIES, maxBytes: cacheShares(config.CACHE_MAX_BYTES).responses },
    region.fences,
  );
  const secrets = new SecretReload({
    current: config,
    environment,
    onChange: (changed) => {
      clientAuthentication.replace(changed.CLIENT_AUTHENTICATION_SECRETS);
      // A cached response is sent without a look at the client authentication of its call.
      responses.clear();
      [forwardingSecret] = changed.FORWARDING_SECRETS;
    },
    logger,
  });
  const limits = {
    maxBytes: config.MAX_RESPONSE_BYTES,
    budget: new ResponseBudget(config.RESPONSE_BUDGET_BYTES),
  };
  const permissions = new PermissionsResolver(new RoleResolver(region.roles), region.freshness, limits);
  const sharedResponses =
    region.fenced &&
    new SharedResponses({
      cache: region.fenced,
      changes: region.changes,
      freshness: region.freshness,
      clientAuthentication,
      now,
      hasPassed: region.hasPassed,
      ttlMs: config.MAX_STALENESS_MS,
    });
  const service = new AuthenticationService({
    authenticator,
    permissions,
    responses,
    sharedResponses,
    ...limits,
    requestCacheBytes: cacheShares(config.CACHE_MAX_BYTES).requests,
    isKeyInMemory: (id) => region.keys.has(id),
    assertConfirmed: (id) => assertKeyCounts(region.trust, id),
    isReplicaAvailable: () => region.replica.isAvailable,
    isReplicationTooOld: () => region.replication.isTooOld,
  });

  const loneOutage = new LoneOutage({
    now,
    appliedUntilMs: () => region.freshness.appliedUntilMs,
    isReplicaAvailable: () => region.replica.isAvailable,
    othersConfirmedAtMs: () => region.confirmation?.othersConfirmedAtMs,
  });
  // What a pod needs to be ready for the first time. A later fault counts only if it affects this pod alone.
  let wasReady = false;
  const obstacles = () => {
    if (wasReady) return [];
    const found = [
      ...region.schema.obstacles,
      ...(region.feed.caughtUp
        ? []
        : [`the change feed has not caught up with the replica yet${because(region.feed.failure)}`]),
      ...(region.replica.hasAnswered ? [] : ['the replica has not answered a lookup yet']),
      ...(region.replication.complete
        ? []
        : [
            'the region has not all rows of the primary yet: no heartbeat has arrived since its tables were copied',
          ]),
      ...region.trust.obstacles,
    ];
    wasReady = found.length === 0;
    return found;
  };
  const health: HealthState = {
    closing: false,
    get started() {
      return region.feed.caughtUp;
    },
    obstacles: () => [...region.clock.obstacles(), ...obstacles(), ...loneOutage.obstacles()],
    details: () => ({ replication_age_seconds: seconds(region.replication.ageMs) }),
  };
  const metrics = new AuthenticationMetrics(registry);
  const app = await createRegionalApp(config, logger, {
    service,
    metrics,
    arrival: region.arrival,
    traffic: new Traffic(config, registry),
    forwardingSecret: () => forwardingSecret,
  });
  const management = await createManagementApp({ health, registry, logger });
  const close = async () => {
    health.closing = true;
    await app.close();
    await region.handOver();
    region.replication.stop();
    await repairs.stop();
    await secrets.stop();
    region.confirmation?.stop();
    region.schema.stop();
    await region.feed.stop();
    await region.fenced?.close();
    region.fences?.close();
    region.redis?.close();
    await pool.end();
    await management.close();
  };
  try {
    secrets.start();
    await listenOn(app, config.HOST, config.REGIONAL_PORT, 'REGIONAL_PORT');
    // Listens last: the feed may have caught up, and /readyz must not succeed before the service port is open.
    await listenOn(management, config.MANAGEMENT_HOST, config.MANAGEMENT_PORT, 'MANAGEMENT_PORT');
  } catch (error) {
    await close();
    throw error;
  }
  return { url: listeningUrl(app), managementUrl: listeningUrl(management), close };
}

/** The control plane that repairs buckets of this region; it must know the region. */
function controlPlaneFrom(config: Config, secret: () => string | undefined): RepairControlPlane | undefined {
  const { CONTROL_PLANE_URL: url, CONTROL_PLANE_CA_FILE: file } = config;
  if (url === undefined || secret() === undefined) return undefined;
  return { url, secret, authorities: file ? readAuthorities('CONTROL_PLANE_CA_FILE', file) : undefined };
}
