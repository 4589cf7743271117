import type { Logger } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Config } from '../config.ts';
import { createPool } from '../database/pool.ts';
import { ClientAuthentication } from '../http/client-authentication.ts';
import { KeyAuthenticator } from '../http/key-authenticator.ts';
import { listeningUrl } from '../http/listening-url.ts';
import { managementApp } from '../http/management-app.ts';
import { BoundedVerifier } from '../keys/bounded-verifier.ts';
import { PostgresKeyStore } from '../keys/postgres-key-store.ts';
import { PostgresRoleStore } from '../keys/postgres-role-store.ts';
import { Argon2SecretVerifier } from '../keys/secret-verifier.ts';
import { regionalApp } from './app.ts';
import { AuthenticationMetrics } from './authentication-metrics.ts';
import { AuthenticationService } from './authentication-service.ts';
import { ReplicaProbe } from './replica-probe.ts';
import { RoleResolver } from './role-resolver.ts';

/** A regional service that listens. */
export interface RegionalService {
  url: string;
  managementUrl: string;
  /** Unready first, then drains, then lets go of everything. */
  close(): Promise<void>;
}

/**
 * Builds the regional service and starts it; resolves when it listens. It is ready (`/readyz`) once the replica has
 * answered for the first time, and keeps trying until then.
 */
export async function startRegionalService(config: Config, logger: Logger): Promise<RegionalService> {
  const now = Date.now;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const pool = createPool(config.REPLICA_DATABASE_URL ?? '', {
    applicationName: 'iam-regional',
    size: config.DATABASE_POOL_SIZE,
    connectTimeoutMs: config.DATABASE_CONNECT_TIMEOUT_MS,
    queryTimeoutMs: config.DATABASE_QUERY_TIMEOUT_MS,
    onIdleError: (error) => logger.warn({ err: error }, 'a connection to the replica broke'),
  });
  const probe = new ReplicaProbe(pool, logger);

  const secrets = new BoundedVerifier(new Argon2SecretVerifier(now), {
    concurrency: config.ARGON2_CONCURRENCY,
    queueLimit: config.ARGON2_QUEUE_LIMIT,
  });
  const roles = new PostgresRoleStore(pool, (role) =>
    logger.error({ role }, 'the stored descriptor of a role cannot be read; the role grants nothing'),
  );
  const authenticator = new KeyAuthenticator({
    acceptedPrefixes: config.ACCEPTED_CREDENTIAL_PREFIXES,
    keys: new PostgresKeyStore(pool),
    secrets,
    clientAuthentication: new ClientAuthentication(config.CLIENT_AUTHENTICATION_SECRETS),
    now,
  });
  const service = new AuthenticationService(authenticator, new RoleResolver(roles));

  const app = await regionalApp(config, logger, service, new AuthenticationMetrics(registry));
  const management = await managementApp({ health: probe, registry, logger });
  await management.listen({ host: config.HOST, port: config.MANAGEMENT_PORT });
  await app.listen({ host: config.HOST, port: config.REGIONAL_PORT });
  probe.start();

  return {
    url: listeningUrl(app),
    managementUrl: listeningUrl(management),
    close: async () => {
      probe.closing = true;
      await app.close();
      await management.close();
      await probe.stop();
      await pool.end();
    },
  };
}
