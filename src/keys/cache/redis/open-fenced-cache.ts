import type { Logger } from 'pino';
import type { Config } from '../../../config.ts';
import { readAuthorities } from '../../../setting-file.ts';
import type { ClockVerdict } from '../../change-feed/clock-check.ts';
import { FencedCache } from './fenced-cache.ts';
import { RedisLink } from './redis-link.ts';

/** Connects to the Redis at `url` and opens the shared cache of the region on it. */
export function openFencedCache(
  url: string,
  config: Config,
  logger: Logger,
  now: () => number,
  clock: ClockVerdict,
): { link: RedisLink; cache: FencedCache } {
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
    onRefused: (error) =>
      logger.warn(
        { err: error },
        'the Redis user lacks a permission (docs/operations.md lists them); requests continue without it',
      ),
  });
  const secrets = config.CACHE_KEYS.map((key) => Buffer.from(key, 'base64'));
  return { link, cache: new FencedCache(link, secrets, now, clock, config.MAX_STALENESS_MS) };
}
