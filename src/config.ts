import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { hashBounds } from './credential/hash.ts';

const integer = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const list = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean),
  )
  .pipe(z.array(z.string()));
const flag = z.enum(['true', 'false']).transform((text) => text === 'true');
const prefix = z.string().regex(/^[a-z][a-z0-9_]*$/, 'lower-case letters, digits and _ only');

const sealingKey = z.string().refine((text) => Buffer.from(text, 'base64').length === 32, {
  message: 'each key is 32 bytes in base64 (openssl rand -base64 32)',
});

/**
 * Every setting of every command, read from the environment.
 *
 * `meta().secret` marks what never appears in an error; `meta().default` is shown in the documentation where the
 * real default depends on the machine. docs/configuration.md and .env.example are generated from this schema.
 */
export const settings = {
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('Least severe log lines to write.'),
  HOST: z.string().default('127.0.0.1').describe('Address to listen on; the image sets 0.0.0.0.'),
  REGIONAL_PORT: integer(0, 65535).default(8080).describe('Port of the regional service.'),
  CONTROL_PLANE_PORT: integer(0, 65535).default(8081).describe('Port of the control plane.'),
  MANAGEMENT_PORT: integer(0, 65535).default(9090).describe('Port of probes and metrics.'),

  REPLICA_DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/ })
    .optional()
    .meta({ secret: true })
    .describe('Regional Postgres, read with the SELECT-only login (regional service).'),
  PRIMARY_DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/ })
    .optional()
    .meta({ secret: true })
    .describe('Global Postgres (control plane and the CLI).'),
  CHANGE_FEED_DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/ })
    .optional()
    .meta({ secret: true })
    .describe(
      'Where the change feed connects, when that is not REPLICA_DATABASE_URL: LISTEN does not pass a transaction-pooling proxy.',
    ),
  DATABASE_POOL_SIZE: integer(1, 200).default(8).describe('Connections a process keeps to its Postgres.'),
  DATABASE_CONNECT_TIMEOUT_MS: integer(50, 60_000).default(500).describe('Wait for a database connection.'),
  DATABASE_QUERY_TIMEOUT_MS: integer(50, 60_000).default(1_000).describe('Longest a query may run.'),

  CREDENTIAL_PREFIX: prefix.default('essu').describe('Prefix written in front of new credentials.'),
  ACCEPTED_CREDENTIAL_PREFIXES: list
    .optional()
    .describe('Prefixes accepted from clients, separated by commas; left out: the one that is written.'),
  CLIENT_AUTHENTICATION_SECRETS: list
    .default([])
    .meta({ secret: true })
    .describe(
      'Shared secrets that trusted callers send in X-Client-Authentication, separated by commas; several while one is rotated.',
    ),
  ARGON2_MEMORY_KIB: integer(hashBounds.memoryKiB.min, hashBounds.memoryKiB.max)
    .default(4_096)
    .describe('argon2id memory for new hashes, in KiB.'),
  ARGON2_TIME_COST: integer(hashBounds.timeCost.min, hashBounds.timeCost.max)
    .default(1)
    .describe('argon2id passes for new hashes.'),
  ARGON2_PARALLELISM: integer(hashBounds.parallelism.min, hashBounds.parallelism.max)
    .default(1)
    .describe('argon2id lanes for new hashes.'),
  ARGON2_CONCURRENCY: integer(1, 64)
    .default(availableParallelism())
    .meta({ default: 'processors of the machine' })
    .describe('Hashes computed at a time; UV_THREADPOOL_SIZE is set to fit.'),
  ARGON2_QUEUE_LIMIT: integer(0, 100_000)
    .default(256)
    .describe('Hashes that may wait; beyond it a request is answered 503 with Retry-After.'),
  REDIS_URL: z
    .url({ protocol: /^rediss?$/ })
    .optional()
    .meta({ secret: true })
    .describe(
      'Shared cache of the region; left out: memory only, and a restarted pod verifies every secret anew.',
    ),
  REDIS_CLUSTER: flag.default(false).describe('REDIS_URL is a node of a Redis Cluster.'),
  REDIS_TIMEOUT_MS: integer(1, 1_000)
    .default(10)
    .describe('Deadline of a Redis command; a late answer is a miss.'),
  CACHE_KEYS: list
    .pipe(z.array(sealingKey))
    .default([])
    .meta({ secret: true })
    .describe(
      'Keys that seal what goes into Redis, each 32 bytes in base64, separated by commas: the first writes, all read. Needed with REDIS_URL.',
    ),
  CACHE_MAX_ENTRIES: integer(1, 10_000_000)
    .default(100_000)
    .describe('Most keys, and most answers, that a process keeps in memory.'),
  CACHE_MAX_BYTES: integer(1_048_576, 68_719_476_736)
    .default(268_435_456)
    .describe('Estimated memory that a process spends on cached answers.'),
  FAST_LANE: flag
    .default(true)
    .describe(
      'Answer calls of the plain form straight from the socket; false sends every call through Fastify, for diagnosis.',
    ),
  FEED_MODE: z
    .enum(['auto', 'listen', 'poll'])
    .default('auto')
    .describe(
      'How changes are followed: listen (logical replica), poll (physical standby), auto (asks the replica).',
    ),
  FEED_CHECK_INTERVAL_MS: integer(10, 10_000)
    .default(250)
    .describe('The change feed proves itself whole this often; in poll mode it is the delay of a change.'),
  REVALIDATE_AFTER_MS: integer(100, 60_000)
    .default(2_000)
    .describe('While the change feed is not whole, cached records older than this are checked before use.'),
  MAX_STALENESS_MS: integer(0, 86_400_000)
    .default(900_000)
    .describe('While the replica is gone, cached records are used up to this age; then 503.'),

  BODY_LIMIT_BYTES: integer(1_024, 16_777_216).default(1_048_576).describe('Largest request body.'),
  SHUTDOWN_TIMEOUT_MS: integer(0, 120_000)
    .default(8_000)
    .describe('Longest a stopping server waits for requests under way.'),

  CONTROL_PLANE_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      'Control plane that the regional service hands _grant, _convert and revocations on to; left out: it has no such calls.',
    ),
  RATE_LIMIT_PER_MINUTE: integer(1, 1_000_000)
    .default(600)
    .describe('Requests a minute that the control plane takes from one address; beyond it 429.'),
  TRUSTED_PROXIES: list
    .default([])
    .describe(
      'Addresses or networks (CIDR) of proxies whose X-Forwarded-For the control plane believes, separated by commas.',
    ),
  INTERNAL_KEY_QUOTA: integer(0, 10_000_000)
    .default(10_000)
    .describe('Active internal keys an organization may have.'),
  EXPIRY_CHECK_INTERVAL_MS: integer(100, 86_400_000)
    .default(3_600_000)
    .describe('How often the control plane looks for keys that expire soon.'),
  EXPIRY_WEBHOOK_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({ secret: true })
    .describe('Told of keys that expire in 30, 7 and 1 days; left out: log and metric only.'),
  EXPIRY_WEBHOOK_SECRET: z
    .string()
    .min(16)
    .optional()
    .meta({ secret: true })
    .describe('Signs what is sent to EXPIRY_WEBHOOK_URL (HMAC-SHA-256). Needed with it.'),
  CONVERT_ALLOWED_HOSTS: list
    .default([])
    .describe(
      'Elasticsearch endpoints whose native keys may be converted, as origin=organization/project type/project id, separated by commas.',
    ),

  IAM_CONTROL_PLANE_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('With IAM_API_KEY: iam keys and iam roles speak to this control plane, not to a database.'),
  IAM_API_KEY: z
    .string()
    .optional()
    .meta({ secret: true })
    .describe('Credential that iam keys and iam roles use at IAM_CONTROL_PLANE_URL.'),

  TLS_CERT_FILE: z.string().optional().describe('PEM certificate; with TLS_KEY_FILE the service speaks TLS.'),
  TLS_KEY_FILE: z.string().optional().describe('PEM key of TLS_CERT_FILE.'),
  TLS_CLIENT_CA_FILE: z
    .string()
    .optional()
    .describe('PEM authorities whose client certificates count as client authentication (mTLS).'),
} as const;

const schema = z.object(settings).superRefine((config, context) => {
  if ((config.TLS_CERT_FILE === undefined) !== (config.TLS_KEY_FILE === undefined)) {
    context.addIssue({
      code: 'custom',
      path: ['TLS_KEY_FILE'],
      message: 'TLS_CERT_FILE and TLS_KEY_FILE go together',
    });
  }
  if (config.ARGON2_MEMORY_KIB < 8 * config.ARGON2_PARALLELISM) {
    context.addIssue({
      code: 'custom',
      path: ['ARGON2_MEMORY_KIB'],
      message: 'at least 8 for each of ARGON2_PARALLELISM',
    });
  }
  if (config.REDIS_URL !== undefined && config.CACHE_KEYS.length === 0) {
    context.addIssue({
      code: 'custom',
      path: ['CACHE_KEYS'],
      message: 'needed with REDIS_URL (openssl rand -base64 32)',
    });
  }
  if (config.EXPIRY_WEBHOOK_URL !== undefined && config.EXPIRY_WEBHOOK_SECRET === undefined) {
    context.addIssue({
      code: 'custom',
      path: ['EXPIRY_WEBHOOK_SECRET'],
      message: 'needed with EXPIRY_WEBHOOK_URL',
    });
  }
  if (config.TLS_CLIENT_CA_FILE !== undefined && config.TLS_CERT_FILE === undefined) {
    context.addIssue({
      code: 'custom',
      path: ['TLS_CLIENT_CA_FILE'],
      message: 'needs TLS_CERT_FILE and TLS_KEY_FILE',
    });
  }
});

type Parsed = z.infer<typeof schema>;

/** The settings as the program uses them: typed, with defaults in place. */
export type Config = Omit<Parsed, 'ACCEPTED_CREDENTIAL_PREFIXES'> & {
  ACCEPTED_CREDENTIAL_PREFIXES: string[];
};

/** A setting that is missing or wrong; the message names it and never shows its value. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/**
 * Reads the settings from an environment.
 *
 * Empty values count as absent (that is what `FOO=` in an env file means).
 * @throws {ConfigError} naming every wrong setting, one a line.
 */
export function loadConfig(
  environment: Readonly<Record<string, string | undefined>>,
  required: readonly (keyof Parsed)[] = [],
): Config {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = schema.safeParse(given);
  const problems = parsed.success
    ? required
        .filter((name) => parsed.data[name] === undefined)
        .map((name) => `${name}: required; ${settings[name].description}`)
    : parsed.error.issues.map((issue) => `${String(issue.path[0])}: ${issue.message}`);
  if (!parsed.success || problems.length > 0) {
    throw new ConfigError(
      `The configuration is not usable:\n${problems.map((line) => `  ${line}`).join('\n')}`,
    );
  }
  const { data } = parsed;
  return {
    ...data,
    ACCEPTED_CREDENTIAL_PREFIXES: data.ACCEPTED_CREDENTIAL_PREFIXES ?? [data.CREDENTIAL_PREFIX],
  };
}
