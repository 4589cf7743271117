import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Config } from '../config.ts';
import { createPool } from '../database/pool.ts';
import { createRegionalKeyServices } from '../keys/regional-key-services.ts';

/** The keys and roles of a region, while the change feed runs. */
export type Region = Awaited<ReturnType<typeof createRegionalKeyServices>>;

/**
 * Connects to the replica and starts the change feed, so that it connects while the HTTP servers are built.
 * @param opened closes all of it
 */
export async function openRegion(
  config: Config,
  logger: Logger,
  registry: Registry,
  now: () => number,
  opened: AsyncDisposableStack,
): Promise<Region> {
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
  opened.defer(() => pool.end());
  const region = await createRegionalKeyServices(config, pool, logger, registry, now);
  opened.defer(() => closeRegion(region));
  region.feed.start();
  region.replication.start();
  region.lostRevocations.start();
  region.confirmation?.start();
  return region;
}

async function closeRegion(region: Region): Promise<void> {
  await region.handOver();
  region.replication.stop();
  await region.lostRevocations.stop();
  region.confirmation?.stop();
  region.schema.stop();
  await region.feed.stop();
  await region.fenced?.close();
  region.fences?.close();
  region.redis?.close();
}
