import type { Logger } from 'pino';
import type { Config } from '../../../config.ts';
import { FencedCache } from './fenced-cache.ts';
import { RedisLink } from './redis-link.ts';

/** Connects to the Redis at `url` and puts the cache of the region on it. */
export function openFencedCache(
  url: string,
  config: Config,
  logger: Logger,
  now: () => number,
): { link: RedisLink; cache: FencedCache } {
  const link = new RedisLink({
    url,
    cluster: config.REDIS_CLUSTER,
    timeoutMs: config.REDIS_TIMEOUT_MS,
    onLost: (error) => logger.warn({ err: error }, 'Redis is not reachable or too slow; going on without it'),
    onBack: () => logger.info('Redis is used again'),
  });
  const secrets = config.CACHE_KEYS.map((key) => Buffer.from(key, 'base64'));
  return { link, cache: new FencedCache(link, secrets, now, config.MAX_STALENESS_MS) };
}
