import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Config } from '../config.ts';
import { SchemaCheck } from '../database/schema-check.ts';
import { BoundedVerifier } from './bounded-verifier.ts';
import { CachedRoleStore } from './cache/cached-role-store.ts';
import { HandoverFile } from './cache/handover-file.ts';
import { Interner } from './cache/interner.ts';
import { MemoizedVerifier } from './cache/memoized-verifier.ts';
import { MemoryKeyStore } from './cache/memory-key-store.ts';
import { cacheShares, policies } from './cache/policies.ts';
import { HeartbeatCounters } from './cache/redis/heartbeat-counters.ts';
import { RedisKeyStore } from './cache/redis/redis-key-store.ts';
import { VerifiedKeys } from './cache/redis/verified-keys.ts';
import { Revalidation } from './cache/revalidation.ts';
import { ChangeFeed } from './change-feed/change-feed.ts';
import { changeSourceFor } from './change-feed/choose-source.ts';
import { ClockCheck } from './change-feed/clock-check.ts';
import { Freshness } from './change-feed/freshness.ts';
import { LoginWatch } from './change-feed/login-sessions.ts';
import { RecentChanges } from './change-feed/recent-changes.ts';
import { ReplicaTrust } from './change-feed/replica-trust.ts';
import { ReplicationWatch } from './change-feed/replication-watch.ts';
import { confirmedKeys, confirmedRoles } from './confirmed-stores.ts';
import type { HasPassed } from './expiry.ts';
import { KeyArrival } from './key-arrival.ts';
import { LostRevocations } from './lost-revocations.ts';
import { PostgresKeyStore } from './postgres-key-store.ts';
import { PostgresRoleStore } from './postgres-role-store.ts';
import { registerRegionMetrics, verifierObserver, wrongSecretCounter } from './region-metrics.ts';
import { Replica } from './replica.ts';
import { Argon2SecretVerifier } from './secret-verifier.ts';
import { TaggedVerifier } from './tagged-verifier.ts';

/** Maximum number of waiting lookups per database connection. */
const WAITING_PER_CONNECTION = 50;

/**
 * Composes the key and role services of a region. They wrap each other in this order:
 *
 * keys: memory → rows that count (`ReplicaTrust`) → Redis → Postgres; secrets: tag → memo (memory → Redis) → bounded queue → argon2;
 * roles: memory → rows that count → Postgres. The change feed invalidates the caches.
 */
export async function createRegionalKeyServices(
  config: Config,
  pool: Pool,
  logger: Logger,
  registry: Registry,
  now: () => number,
) {
  const windowMs = config.MAX_STALENESS_MS + policies.recentChanges.marginMs;
  const freshness = new Freshness(now, {
    revalidateAfterMs: config.REVALIDATE_AFTER_MS,
    maxStalenessMs: config.MAX_STALENESS_MS,
  });
  const changes = new RecentChanges(now, { ttlMs: windowMs, maxEntries: policies.recentChanges.maxEntries });
  const clock = new ClockCheck({
    now,
    monotonicNow: () => performance.now(),
    logger,
    toleranceMs: config.CLOCK_TOLERANCE_MS,
  });
  const hasPassed: HasPassed = (atMs) => clock.hasPassed(atMs);
  const replica = new Replica(
    pool,
    {
      connections: config.DATABASE_POOL_SIZE,
      waiting: config.DATABASE_POOL_SIZE * WAITING_PER_CONNECTION,
      waitMs: config.DATABASE_CONNECT_TIMEOUT_MS,
    },
    config.DATABASE_TRANSACTION_POOLING ? 'unnamed' : 'named',
  );

  const shares = cacheShares(config.CACHE_MAX_BYTES);
  const shared = new Interner(policies.sharedTexts.maxEntries, shares.assignments);
  const postgresKeys = new PostgresKeyStore(replica, now, shared);
  const cacheKeys = config.CACHE_KEYS.map((key) => Buffer.from(key, 'base64'));
  const redis =
    config.REDIS_URL === undefined
      ? undefined
      : // Loaded on demand: a start without Redis does not load its client.
        (await import('./cache/redis/open-fenced-cache.ts')).openFencedCache({
          url: config.REDIS_URL,
          config,
          secrets: cacheKeys,
          logger,
          now,
          clock,
          changes,
          freshness,
        });
  const fenced = redis?.cache;
  const revalidation = new Revalidation(postgresKeys, freshness, now, redis?.fences);
  const verified = fenced && new VerifiedKeys(fenced, now, changes, config.MAX_STALENESS_MS, shared);
  const counters =
    fenced &&
    new HeartbeatCounters({ cache: fenced, now, clock, logger, confirmsForMs: config.MAX_STALENESS_MS });
  const trust = new ReplicaTrust({ shared: counters, logger });
  const sharedKeys =
    redis && verified
      ? new RedisKeyStore({
          inner: postgresKeys,
          verified,
          freshness,
          changes,
          revalidation,
          fences: redis.fences,
        })
      : postgresKeys;
  const keys = new MemoryKeyStore({
    inner: confirmedKeys(sharedKeys, trust),
    freshness,
    changes,
    revalidation,
    now,
    maxEntries: config.CACHE_MAX_ENTRIES,
    maxBytes: shares.keys,
    shared,
  });

  const hashing = new BoundedVerifier(
    new Argon2SecretVerifier(hasPassed),
    {
      concurrency: config.ARGON2_CONCURRENCY,
      queueLimit: config.ARGON2_QUEUE_LIMIT,
    },
    verifierObserver(registry),
  );
  const memos = new MemoizedVerifier(hashing, verified, hasPassed, config.CACHE_MAX_ENTRIES);
  const secrets = new TaggedVerifier(memos, hasPassed, wrongSecretCounter(registry));
  const handover =
    config.HANDOVER_FILE === undefined
      ? undefined
      : new HandoverFile({ path: config.HANDOVER_FILE, secrets: cacheKeys, now, logger });
  memos.takeOver((await handover?.take()) ?? []);
  await handover?.checkFolder();

  const postgresRoles = new PostgresRoleStore(replica, now, (role) =>
    logger.error({ role }, 'the stored descriptor of a role does not parse; the role grants nothing'),
  );
  const roles = new CachedRoleStore(
    confirmedRoles(postgresRoles, trust),
    freshness,
    changes,
    shares.roles,
    redis?.fences,
  );

  const replication = new ReplicationWatch({ maxAgeMs: config.MAX_REPLICATION_AGE_MS, logger });
  const login = new LoginWatch(logger);
  const lostRevocations = new LostRevocations({ replica, logger });
  const arrival = new KeyArrival((ids) => postgresKeys.countExisting(ids));
  const schema = new SchemaCheck((text) => replica.query({ text }), 'region');
  const feed = new ChangeFeed({
    source: changeSourceFor(config, logger, now),
    freshness,
    changes,
    replication,
    trust,
    login,
    clock,
    listeners: [keys, roles, arrival, ...(redis ? [redis.fences] : [])],
    logger,
    now,
    checkIntervalMs: config.FEED_CHECK_INTERVAL_MS,
    windowMs,
    windowLimit: policies.recentChanges.maxEntries,
    connectTimeoutMs: config.DATABASE_CONNECT_TIMEOUT_MS,
    slowAfterMs: config.DATABASE_QUERY_TIMEOUT_MS,
    onFailure: () => {
      replica.suspect();
      // The schema may be the reason.
      schema.start();
    },
    // Only now: many logins would delay the feed's own connection, for which the start waits.
    onCaughtUp: () => {
      void replica.open();
      schema.start();
    },
  });
  const region = {
    keys,
    roles,
    arrival,
    secrets,
    hashing,
    feed,
    freshness,
    replication,
    login,
    lostRevocations,
    trust,
    replica,
    schema,
    changes,
    clock,
    hasPassed,
    fenced,
    fences: redis?.fences,
    confirmation: redis?.confirmation,
    redis: redis?.link,
    handOver: async () => handover?.leave(memos.memosToLeave()),
  };
  registerRegionMetrics(registry, region, now);
  return region;
}
