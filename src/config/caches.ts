import { z } from 'zod';
import { flag, integer, list, serverUrl } from './types.ts';

const sealingKey = z.string().refine((text) => Buffer.from(text, 'base64').length === 32, {
  message: 'each key must be 32 bytes in base64 (openssl rand -base64 32)',
});

/** What a region keeps in Redis, in a file and in memory. */
export const cacheSettings = {
  REDIS_URL: serverUrl(/^rediss?$/)
    .optional()
    .meta({ secret: true })
    .describe(
      'Shared cache of the region. If unset, caches are in memory only, and a restarted pod verifies every secret again.',
    ),
  REDIS_CLUSTER: flag.default(false).describe('Set to true if REDIS_URL is a node of a Redis Cluster.'),
  REDIS_CA_FILE: z
    .string()
    .optional()
    .describe('PEM certificate authorities of a rediss:// server. If unset, those that Node.js trusts.'),
  REDIS_TIMEOUT_MS: integer(1, 1_000)
    .default(10)
    .describe(
      'Timeout of a lookup in Redis, for which a request waits. A late response counts as a miss. Writes happen in the background and may take 1 s.',
    ),
  CACHE_KEYS: list
    .pipe(z.array(sealingKey))
    .default([])
    .meta({ secret: true })
    .describe(
      'Keys that encrypt the values in Redis and HANDOVER_FILE, each 32 bytes in base64, separated by commas. The first writes, all read. Required with REDIS_URL and HANDOVER_FILE.',
    ),
  HANDOVER_FILE: z
    .string()
    .min(1)
    .optional()
    .describe(
      'File on a volume that outlives the process. A regional service that stops leaves there which secrets it has verified, encrypted with CACHE_KEYS, and the next one needs no argon2 for them. Each process needs its own file. Useful without Redis.',
    ),
  CACHE_MAX_ENTRIES: integer(1, 10_000_000)
    .default(100_000)
    .describe('Maximum number of keys, and of responses, in the memory of a process.'),
  CACHE_MAX_BYTES: integer(1_048_576, 68_719_476_736)
    .default(268_435_456)
    .describe(
      'Maximum estimated size of the caches in the memory of a process, in bytes. Half is for responses, a quarter for keys, the rest for roles, requests and assignments. One organization has at most half of a cache while others need space.',
    ),
  FAST_LANE: flag
    .default(true)
    .describe(
      'Answer plain requests directly at the socket. false sends every request through Fastify, for diagnosis.',
    ),
} as const;
