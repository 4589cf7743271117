import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { hashBounds } from './credential/hash.ts';
import { isCertificateName } from './lib/certificate-names.ts';
import { isNetwork } from './lib/networks.ts';
import { urlProblem } from './lib/url-problem.ts';
import { misspeltSettings } from './misspelt-settings.ts';
import { type Environment, secretFileContents, withSecretFiles } from './secret-files.ts';

export type { Environment } from './secret-files.ts';

/** Pods that share a Redis compare their times (`CLOCK_SKEW_MS`), so no setting may allow more. */
export const MAX_CLOCK_TOLERANCE_MS = 5_000;

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
const secrets = list.pipe(
  z.array(z.string().min(16, 'each secret must have at least 16 characters (openssl rand -base64 32)')),
);
/** A URL of a server, whose authority no error or log line may show in parts. */
const serverUrl = (protocol: RegExp) =>
  z
    .url({ protocol, error: ({ input }) => urlProblem(String(input)) ?? 'Invalid URL' })
    .refine((text) => urlProblem(text) === undefined, { error: ({ input }) => urlProblem(String(input)) });
const flag = z.enum(['true', 'false']).transform((text) => text === 'true');
const prefix = z.string().regex(/^[a-z][a-z0-9_]*$/, 'lower-case letters, digits and _ only');

const sealingKey = z.string().refine((text) => Buffer.from(text, 'base64').length === 32, {
  message: 'each key must be 32 bytes in base64 (openssl rand -base64 32)',
});

/**
 * All settings of all commands, read from the environment.
 *
 * `meta().secret` keeps a value out of errors. `meta().default` documents a default that depends on the machine.
 * docs/configuration.md and .env.example are generated from this schema.
 */
export const settings = {
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('Minimum severity of log lines.'),
  HOST: z.string().default('127.0.0.1').describe('Address to listen on. The image sets 0.0.0.0.'),
  REGIONAL_PORT: integer(0, 65535).default(8080).describe('Port of the regional service.'),
  CONTROL_PLANE_PORT: integer(0, 65535).default(8081).describe('Port of the control plane.'),
  MANAGEMENT_PORT: integer(0, 65535).default(9090).describe('Port for probes and metrics.'),
  MANAGEMENT_HOST: z
    .string()
    .default('127.0.0.1')
    .describe(
      'Address of MANAGEMENT_PORT, which has no authentication. In Kubernetes the address of the pod, for its probes.',
    ),

  REPLICA_DATABASE_URL: serverUrl(/^postgres(ql)?$/)
    .optional()
    .meta({ secret: true })
    .describe('Postgres of the region, with the SELECT-only login (regional service).'),
  PRIMARY_DATABASE_URL: serverUrl(/^postgres(ql)?$/)
    .optional()
    .meta({ secret: true })
    .describe('Global Postgres (control plane and CLI).'),
  CHANGE_FEED_DATABASE_URL: serverUrl(/^postgres(ql)?$/)
    .optional()
    .meta({ secret: true })
    .describe(
      'Database URL of the change feed. If unset, REPLICA_DATABASE_URL. Set it behind a connection pooler: LISTEN does not work through transaction pooling.',
    ),
  DATABASE_TRANSACTION_POOLING: flag
    .default(false)
    .describe(
      'Set to true if REPLICA_DATABASE_URL or PRIMARY_DATABASE_URL leads to a connection pooler in transaction mode, such as PgBouncer. In a region, it requires CHANGE_FEED_DATABASE_URL.',
    ),
  DATABASE_POOL_SIZE: integer(1, 200)
    .default(8)
    .describe('Maximum number of database connections of a process.'),
  DATABASE_CONNECT_TIMEOUT_MS: integer(50, 60_000)
    .default(500)
    .describe('Timeout for opening a database connection.'),
  DATABASE_QUERY_TIMEOUT_MS: integer(50, 60_000).default(1_000).describe('Timeout of a database query.'),

  CREDENTIAL_PREFIX: prefix.default('essu').describe('Prefix of new credentials.'),
  ACCEPTED_CREDENTIAL_PREFIXES: list
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
  FEED_MODE: z
    .enum(['auto', 'listen', 'poll'])
    .default('auto')
    .describe(
      'Source of the change feed: listen (logical replica), poll (physical standby) or auto (detect).',
    ),
  FEED_CHECK_INTERVAL_MS: integer(10, 10_000)
    .default(250)
    .describe(
      'Interval at which the change feed confirms that it is complete. In poll mode also the delay of a change.',
    ),
  REVALIDATE_AFTER_MS: integer(100, 60_000)
    .default(2_000)
    .describe('Age at which cached records are revalidated before use while the change feed is incomplete.'),
  MAX_STALENESS_MS: integer(0, 86_400_000)
    .default(900_000)
    .describe('Maximum age of cached records while the replica is unavailable. Older ones get 503.'),
  MAX_REPLICATION_AGE_MS: integer(10_000, 86_400_000)
    .optional()
    .describe(
      'Age of the newest heartbeat of the primary beyond which a region accepts no credential (503). Bounds how long a revocation can be missed while replication stands still, but makes the region depend on the control plane. If unset, there is no limit.',
    ),

  CLOCK_TOLERANCE_MS: integer(1_000, MAX_CLOCK_TOLERANCE_MS)
    .default(MAX_CLOCK_TOLERANCE_MS)
    .describe(
      'Maximum difference between the clocks of a pod and its replica, or of a control plane and the primary. Beyond it, a pod is not ready and does not use Redis, and a control plane is not ready and creates, rotates and grants no key.',
    ),

  BODY_LIMIT_BYTES: integer(1_024, 16_777_216).default(1_048_576).describe('Maximum size of a request body.'),
  MAX_RESPONSE_BYTES: integer(65_536, 268_435_456)
    .default(16_777_216)
    .describe(
      'Maximum size of an _authenticate response, in bytes. Beyond it, the request gets 400. The default suffices for 1,000 contexts with the largest predefined role.',
    ),
  RESPONSE_BUDGET_BYTES: integer(1_048_576, 4_294_967_296)
    .default(67_108_864)
    .describe(
      'Maximum total size, in bytes, of the responses above 256 KiB that a process sends at a time. Beyond it, further ones get 503 with Retry-After. At least MAX_RESPONSE_BYTES.',
    ),
  BODY_BUDGET_BYTES: integer(1_048_576, 17_179_869_184)
    .default(67_108_864)
    .describe(
      'Maximum memory of request bodies in flight of a process, without the first 8 KiB of each. One client address can use half of it. Beyond it, requests get 503 with Retry-After.',
    ),
  BODY_TIMEOUT_MS: integer(100, 60_000)
    .default(5_000)
    .describe('Time for a request body to arrive. A slower one gets 408.'),
  MAX_CONNECTIONS: integer(10, 1_000_000)
    .default(10_000)
    .describe('Maximum number of open client connections of a process. It closes further ones at once.'),
  MAX_CONNECTIONS_PER_ADDRESS: integer(1, 1_000_000)
    .default(2_000)
    .describe(
      'Maximum number of open connections of one client address to a process, which closes further ones at once. An IPv6 network of 64 bits counts as one address. TRUSTED_PROXIES have no such limit. Raise it if many clients share one address, such as behind NAT.',
    ),
  SHUTDOWN_TIMEOUT_MS: integer(0, 120_000)
    .default(8_000)
    .describe('Maximum time that a shutdown waits for requests in flight.'),

  CONTROL_PLANE_URL: serverUrl(/^https?$/)
    .optional()
    .describe(
      'Control plane to which the regional service forwards _grant, _convert and revocations. If unset, these endpoints are not served.',
    ),
  CONTROL_PLANE_CA_FILE: z
    .string()
    .optional()
    .describe(
      'PEM certificate authorities of an https:// control plane. If unset, those that Node.js trusts.',
    ),
  RATE_LIMIT_PER_MINUTE: integer(1, 1_000_000)
    .default(600)
    .describe(
      'Maximum number of failed and unauthenticated requests per minute and client address at the control plane. An IPv6 network of 64 bits counts as one address. Beyond it, they get 429.',
    ),
  CALLER_RATE_LIMIT_PER_MINUTE: integer(1, 10_000_000)
    .default(6_000)
    .describe(
      'Maximum number of authenticated requests per minute of one key at the control plane. All keys of an organization have twice as many together. Revocations have a budget of the same size, for each key.',
    ),
  REGIONAL_RATE_LIMIT_PER_MINUTE: integer(0, 100_000_000)
    .default(0)
    .describe(
      'Maximum number of requests per minute and client address at a process of the regional service. An IPv6 network of 64 bits counts as one address. Beyond it, they get 429. 0 is no limit.',
    ),
  FORWARDING_SECRETS: secrets
    .default([])
    .meta({ secret: true })
    .describe(
      'Shared secrets of regions and the control plane, separated by commas, each at least 16 characters. A region sends the first with calls that it forwards, and the control plane accepts all. Without it, all clients of a region count as one address.',
    ),
  TRUSTED_PROXIES: list
    .pipe(
      z.array(
        z
          .string()
          .refine(isNetwork, { message: 'each item must be an IP address or a network, such as 10.0.0.0/8' }),
      ),
    )
    .default([])
    .describe(
      'Addresses or networks (CIDR) of proxies whose X-Forwarded-For states the address of the client, separated by commas. They may be names of networks: loopback, linklocal, uniquelocal.',
    ),
  INTERNAL_KEY_QUOTA: integer(0, 10_000_000)
    .default(10_000)
    .describe('Maximum number of active internal keys of an organization.'),
  MAX_ROLE_BYTES: integer(1_024, 262_144)
    .default(65_536)
    .describe(
      'Maximum size of the descriptor of a custom role, in bytes of JSON. Checked when a role is written.',
    ),
  MAX_ROLES_PER_PROJECT: integer(1, 10_000)
    .default(500)
    .describe('Maximum number of custom roles of a project. Checked when a role is created.'),
  MAX_ROLE_BYTES_PER_ORGANIZATION: integer(65_536, 17_179_869_184)
    .default(67_108_864)
    .describe(
      'Maximum size of all custom roles of an organization, in bytes of JSON. Checked when a role is written.',
    ),
  EXPIRY_CHECK_INTERVAL_MS: integer(100, 86_400_000)
    .default(3_600_000)
    .describe('Interval at which the control plane searches for keys that expire soon.'),
  EXPIRY_WEBHOOK_URL: z
    .url({ protocol: /^https?$/ })
    .refine((url) => !URL.canParse(url) || (new URL(url).username === '' && new URL(url).password === ''), {
      message:
        'must not contain a user name or a password, because HTTP requests cannot be sent to such a URL',
    })
    .optional()
    .meta({ secret: true })
    .describe(
      'Webhook that receives warnings 30, 7 and 1 days before a key expires. If unset, warnings only go to the log and a metric.',
    ),
  EXPIRY_WEBHOOK_SECRET: z
    .string()
    .min(16)
    .refine((secret) => !secret.startsWith('whsec_') || /^whsec_[A-Za-z0-9+/]{22,}={0,2}$/.test(secret), {
      message: 'after "whsec_" there must be base64 of at least 16 bytes',
    })
    .optional()
    .meta({ secret: true })
    .describe(
      'Signs the requests to EXPIRY_WEBHOOK_URL (Standard Webhooks, HMAC-SHA-256): "whsec_" and at least 16 random bytes in base64, or any text of at least 16 characters. Required with it.',
    ),
  CONVERT_ALLOWED_HOSTS: list
    .default([])
    .describe(
      'Elasticsearch endpoints whose native keys may be converted, each as origin=organization/project type/project id, separated by commas.',
    ),

  IAM_CONTROL_PLANE_URL: serverUrl(/^https?$/)
    .optional()
    .describe(
      'Control plane that iam keys, iam roles and iam audit use instead of a database, with IAM_API_KEY.',
    ),
  IAM_API_KEY: z.string().optional().meta({ secret: true }).describe('Credential for IAM_CONTROL_PLANE_URL.'),
  IAM_PROFILE: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'letters, digits, ".", "_" and "-" only')
    .optional()
    .describe('Profile of iam login that commands use. It takes precedence over the two settings above.'),

  TLS_CERT_FILE: z.string().optional().describe('PEM certificate. Enables TLS, with TLS_KEY_FILE.'),
  TLS_KEY_FILE: z.string().optional().describe('PEM private key of TLS_CERT_FILE.'),
  TLS_CLIENT_CA_FILE: z
    .string()
    .optional()
    .describe(
      'PEM certificate authorities of client certificates (mTLS). A certificate counts as client authentication if it also has a name of CLIENT_CERTIFICATE_NAMES, which is required.',
    ),
  TLS_CLIENT_CRL_FILE: z
    .string()
    .optional()
    .describe(
      'PEM revocation lists (CRL) of the authorities in TLS_CLIENT_CA_FILE, one of each. An expired list makes all their certificates invalid.',
    ),
  CLIENT_CERTIFICATE_NAMES: list
    .pipe(
      z.array(
        z.string().refine(isCertificateName, {
          message:
            'each item must be a DNS name or a URI, such as spiffe://example.org/elasticsearch; only a SPIFFE id may end with /*',
        }),
      ),
    )
    .default([])
    .describe(
      'Names of the client certificates that count as client authentication, separated by commas: DNS names and URIs of the subjectAltName. A SPIFFE id that ends with /* includes all ids below it.',
    ),
  ALLOW_PLAINTEXT: flag
    .default(false)
    .describe(
      'Set to true if a proxy or a service mesh encrypts the connections to HOST. Without it, a process that listens on another address than loopback without TLS warns at start.',
    ),
  MAX_CONNECTION_AGE_MS: integer(1_000, 86_400_000)
    .default(600_000)
    .describe(
      'Age at which a connection ends, after a response with Connection: close. Up to a tenth less, so that connections end at different times. Bounds how long a revoked client certificate is used.',
    ),
} as const;

const schema = z.object(settings).superRefine((config, context) => {
  if ((config.TLS_CERT_FILE === undefined) !== (config.TLS_KEY_FILE === undefined)) {
    context.addIssue({
      code: 'custom',
      path: ['TLS_KEY_FILE'],
      message: 'set both TLS_CERT_FILE and TLS_KEY_FILE',
    });
  }
  if (config.ARGON2_MEMORY_KIB < 8 * config.ARGON2_PARALLELISM) {
    context.addIssue({
      code: 'custom',
      path: ['ARGON2_MEMORY_KIB'],
      message: 'must be at least 8 × ARGON2_PARALLELISM',
    });
  }
  if (
    config.DATABASE_TRANSACTION_POOLING &&
    config.REPLICA_DATABASE_URL !== undefined &&
    config.CHANGE_FEED_DATABASE_URL === undefined
  ) {
    context.addIssue({
      code: 'custom',
      path: ['CHANGE_FEED_DATABASE_URL'],
      message: 'required with DATABASE_TRANSACTION_POOLING: the URL of the region without the pooler',
    });
  }
  if (config.REDIS_CLUSTER && /^\/[1-9]/.test(new URL(config.REDIS_URL ?? 'redis://none').pathname)) {
    context.addIssue({
      code: 'custom',
      path: ['REDIS_URL'],
      message: 'a Redis Cluster has only database 0; remove the path',
    });
  }
  if (config.REDIS_URL !== undefined && config.CACHE_KEYS.length === 0) {
    context.addIssue({
      code: 'custom',
      path: ['CACHE_KEYS'],
      message: 'required with REDIS_URL (openssl rand -base64 32)',
    });
  }
  if (config.HANDOVER_FILE !== undefined && config.CACHE_KEYS.length === 0) {
    context.addIssue({
      code: 'custom',
      path: ['CACHE_KEYS'],
      message: 'required with HANDOVER_FILE (openssl rand -base64 32)',
    });
  }
  if (config.EXPIRY_WEBHOOK_URL !== undefined && config.EXPIRY_WEBHOOK_SECRET === undefined) {
    context.addIssue({
      code: 'custom',
      path: ['EXPIRY_WEBHOOK_SECRET'],
      message: 'required with EXPIRY_WEBHOOK_URL',
    });
  }
  if (config.RESPONSE_BUDGET_BYTES < config.MAX_RESPONSE_BYTES) {
    context.addIssue({
      code: 'custom',
      path: ['RESPONSE_BUDGET_BYTES'],
      message: 'must be at least MAX_RESPONSE_BYTES: a longer response could never be sent',
    });
  }
  if (config.MAX_STALENESS_MS < config.REVALIDATE_AFTER_MS) {
    context.addIssue({
      code: 'custom',
      path: ['MAX_STALENESS_MS'],
      message: 'must be at least REVALIDATE_AFTER_MS: a younger record is used without a check',
    });
  }
  if (config.TLS_CLIENT_CA_FILE !== undefined && config.TLS_CERT_FILE === undefined) {
    context.addIssue({
      code: 'custom',
      path: ['TLS_CLIENT_CA_FILE'],
      message: 'requires TLS_CERT_FILE and TLS_KEY_FILE',
    });
  }
  if (config.TLS_CLIENT_CRL_FILE !== undefined && config.TLS_CLIENT_CA_FILE === undefined) {
    context.addIssue({
      code: 'custom',
      path: ['TLS_CLIENT_CRL_FILE'],
      message: 'requires TLS_CLIENT_CA_FILE',
    });
  }
  if (config.TLS_CLIENT_CA_FILE !== undefined && config.CLIENT_CERTIFICATE_NAMES.length === 0) {
    context.addIssue({
      code: 'custom',
      path: ['CLIENT_CERTIFICATE_NAMES'],
      message:
        'required with TLS_CLIENT_CA_FILE: the names (SAN) of the trusted callers. Without it, each certificate of these authorities would count',
    });
  }
  if (config.TLS_CLIENT_CA_FILE === undefined && config.CLIENT_CERTIFICATE_NAMES.length > 0) {
    context.addIssue({
      code: 'custom',
      path: ['CLIENT_CERTIFICATE_NAMES'],
      message: 'requires TLS_CLIENT_CA_FILE',
    });
  }
});

/** Settings whose values are secret, so that a file may contain them. */
export const SECRET_SETTINGS: readonly string[] = Object.entries(settings)
  .filter(([, setting]) => z.globalRegistry.get(setting)?.secret === true)
  .map(([name]) => name);

/** Points at a variable that is probably this setting. */
function hint(missing: string, environment: Readonly<Record<string, unknown>>): string {
  const { name } =
    misspeltSettings(environment, Object.keys(settings)).find(({ meant }) => meant === missing) ?? {};
  return name === undefined ? '' : ` (${name} is set; is it misspelt?)`;
}

type Parsed = z.infer<typeof schema>;

/** The typed settings with their defaults. */
export type Config = Omit<Parsed, 'ACCEPTED_CREDENTIAL_PREFIXES'> & {
  ACCEPTED_CREDENTIAL_PREFIXES: string[];
};

/** A missing or invalid setting. The message names it and never contains its value. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/**
 * Reads the settings from an environment. Empty values count as unset (`FOO=` in an env file). A secret `FOO` may be in the file
 * that `FOO_FILE` names.
 * @throws {ConfigError} with one line for each invalid setting
 */
export function loadConfig(environment: Environment, required: readonly (keyof Parsed)[] = []): Config {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const files = withSecretFiles(given, SECRET_SETTINGS);
  const parsed = schema.safeParse(files.values);
  const problems =
    files.problems.length > 0
      ? files.problems
      : parsed.success
        ? required
            .filter((name) => parsed.data[name] === undefined)
            .map((name) => `${name}: required; ${settings[name].description}${hint(name, given)}`)
        : parsed.error.issues.map((issue) => `${String(issue.path[0])}: ${issue.message}`);
  if (!parsed.success || problems.length > 0) throw invalid(problems);
  const { data } = parsed;
  return {
    ...data,
    ACCEPTED_CREDENTIAL_PREFIXES: data.ACCEPTED_CREDENTIAL_PREFIXES ?? [data.CREDENTIAL_PREFIX],
  };
}

/** Secrets that a running service reads again from their files. A change of another file takes a restart. */
export const RELOADED_SETTINGS = ['CLIENT_AUTHENTICATION_SECRETS', 'FORWARDING_SECRETS'] as const;
export type ReloadedSecrets = Pick<Config, (typeof RELOADED_SETTINGS)[number]>;

/** Those of RELOADED_SETTINGS that are in files, as these are now. @throws {ConfigError} as `loadConfig` */
export function rereadSecrets(environment: Environment): Partial<ReloadedSecrets> {
  const inFiles = RELOADED_SETTINGS.filter((name) => environment[`${name}_FILE`]);
  const { values, problems } = withSecretFiles(
    Object.fromEntries(inFiles.map((name) => [`${name}_FILE`, environment[`${name}_FILE`]])),
    inFiles,
  );
  if (problems.length > 0) throw invalid(problems);
  const read = inFiles.map((name) => ({ name, parsed: settings[name].safeParse(values[name]) }));
  const issues = read.flatMap(({ name, parsed }) =>
    (parsed.error?.issues ?? []).map(({ message }) => `${name}: ${message}`),
  );
  if (issues.length > 0) throw invalid(issues);
  return Object.fromEntries(read.map(({ name, parsed }) => [name, parsed.data]));
}

/** The contents of the files of secrets that only a restart reads again, by variable. A file that cannot be read is left out. */
export function filesReadAtStart(environment: Environment): [string, string][] {
  const names = SECRET_SETTINGS.filter((name) => !(RELOADED_SETTINGS as readonly string[]).includes(name));
  return secretFileContents(environment, names);
}

function invalid(problems: readonly string[]): ConfigError {
  return new ConfigError(`The configuration is invalid:\n${problems.map((line) => `  ${line}`).join('\n')}`);
}
