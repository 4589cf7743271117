import type { Logger } from 'pino';
import type { Config } from '../../../config.ts';
import { readAuthorities } from '../../../setting-file.ts';
import type { ClockCheck } from '../../change-feed/clock-check.ts';
import type { Freshness } from '../../change-feed/freshness.ts';
import { FencedCache, type Histories } from './fenced-cache.ts';
import { RedisKeys } from './redis-keys.ts';
import { RedisLink } from './redis-link.ts';
import { RegionConfirmation } from './region-confirmation.ts';
import { fenceTtlMs, SharedFences } from './shared-fences.ts';

interface FencedCacheDeps {
  url: string;
  config: Config;
  /** Of `CACHE_KEYS`. */
  secrets: readonly Buffer[];
  logger: Logger;
  now: () => number;
  clock: ClockCheck;
  changes: Histories;
  freshness: Freshness;
}

/** Connects to the Redis at `url` and opens what the pods of the region share in it. */
export function openFencedCache({
  url,
  config,
  secrets,
  logger,
  now,
  clock,
  changes,
  freshness,
}: FencedCacheDeps) {
  const link = new RedisLink({
    url,
    cluster: config.REDIS_CLUSTER,
    authorities:
      config.REDIS_CA_FILE === undefined
        ? undefined
        : readAuthorities('REDIS_CA_FILE', config.REDIS_CA_FILE).toString(),
    timeoutMs: config.REDIS_TIMEOUT_MS,
    onUnavailable: (error) =>
      logger.warn({ err: error }, 'Redis is unreachable or too slow; requests continue without it'),
    onAvailable: () => logger.info('Redis is available again'),
    onRefused: (error, kind) =>
      logger.warn(
        { err: error },
        kind === 'NOPERM'
          ? 'the Redis user lacks a permission (docs/operations.md lists them); requests continue without it'
          : `Redis refuses a command (${kind}; docs/operations.md, Redis); requests continue without it`,
      ),
  });
  const redisKeys = new RedisKeys(secrets);
  const ttlMs = fenceTtlMs(config.MAX_STALENESS_MS);
  return {
    link,
    cache: new FencedCache(link, secrets, now, clock, changes, config.MAX_STALENESS_MS),
    fences: new SharedFences({ link, redisKeys, now, clock, changes, ttlMs }),
    confirmation: new RegionConfirmation({ link, redisKeys, freshness, clock, now, logger }),
  };
}
