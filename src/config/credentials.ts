import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { hashBounds } from '../credential/hash.ts';
import { integer, list, secrets } from './types.ts';

const prefix = z.string().regex(/^[a-z][a-z0-9_]*$/, 'lower-case letters, digits and _ only');

/** Credentials, client authentication and the cost of a comparison. */
export const credentialSettings = {
  CREDENTIAL_PREFIX: prefix.default('essu').describe('Prefix of new credentials.'),
  ACCEPTED_CREDENTIAL_PREFIXES: list
    .pipe(z.array(prefix).min(1, 'names no prefix'))
    .optional()
    .describe('Prefixes accepted from clients, separated by commas. If unset, CREDENTIAL_PREFIX.'),
  CLIENT_AUTHENTICATION_SECRETS: secrets
    .default([])
    .meta({ secret: true })
    .describe(
      'Shared secrets that trusted callers send in X-Client-Authentication, separated by commas, each at least 16 characters. List several during a rotation.',
    ),
  ARGON2_MEMORY_KIB: integer(hashBounds.memoryKiB.min, hashBounds.memoryKiB.max)
    .default(4_096)
    .describe('argon2id memory of new hashes, in KiB.'),
  ARGON2_TIME_COST: integer(hashBounds.timeCost.min, hashBounds.timeCost.max)
    .default(1)
    .describe('argon2id passes of new hashes.'),
  ARGON2_PARALLELISM: integer(hashBounds.parallelism.min, hashBounds.parallelism.max)
    .default(1)
    .describe('argon2id lanes of new hashes.'),
  ARGON2_CONCURRENCY: integer(1, 64)
    .default(availableParallelism())
    .meta({ default: 'processors of the machine' })
    .describe('Maximum number of concurrent hashes. Sets UV_THREADPOOL_SIZE.'),
  ARGON2_QUEUE_LIMIT: integer(0, 100_000)
    .default(256)
    .describe('Maximum number of waiting hashes. Beyond it, requests get 503 with Retry-After.'),
} as const;
