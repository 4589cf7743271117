import type { Values } from './settings.ts';

/** A combination of settings that is refused. */
export interface Rule {
  /** The setting that the error names. */
  setting: keyof Values;
  message: string;
  isBroken: (values: Values) => boolean;
}

export const RULES: readonly Rule[] = [
  {
    setting: 'TLS_KEY_FILE',
    message: 'set both TLS_CERT_FILE and TLS_KEY_FILE',
    isBroken: (values) => (values.TLS_CERT_FILE === undefined) !== (values.TLS_KEY_FILE === undefined),
  },
  {
    setting: 'ARGON2_MEMORY_KIB',
    message: 'must be at least 8 × ARGON2_PARALLELISM',
    isBroken: (values) => values.ARGON2_MEMORY_KIB < 8 * values.ARGON2_PARALLELISM,
  },
  {
    setting: 'CHANGE_FEED_DATABASE_URL',
    message: 'required with DATABASE_TRANSACTION_POOLING: the URL of the region without the pooler',
    isBroken: (values) =>
      values.DATABASE_TRANSACTION_POOLING &&
      values.REPLICA_DATABASE_URL !== undefined &&
      values.CHANGE_FEED_DATABASE_URL === undefined,
  },
  {
    setting: 'REDIS_URL',
    message: 'a Redis Cluster has only database 0; remove the path',
    isBroken: (values) =>
      values.REDIS_CLUSTER && /^\/[1-9]/.test(new URL(values.REDIS_URL ?? 'redis://none').pathname),
  },
  {
    setting: 'CACHE_KEYS',
    message: 'required with REDIS_URL (openssl rand -base64 32)',
    isBroken: (values) => values.REDIS_URL !== undefined && values.CACHE_KEYS.length === 0,
  },
  {
    setting: 'CACHE_KEYS',
    message: 'required with HANDOVER_FILE (openssl rand -base64 32)',
    isBroken: (values) => values.HANDOVER_FILE !== undefined && values.CACHE_KEYS.length === 0,
  },
  {
    setting: 'EXPIRY_WEBHOOK_SECRET',
    message: 'required with EXPIRY_WEBHOOK_URL',
    isBroken: (values) =>
      values.EXPIRY_WEBHOOK_URL !== undefined && values.EXPIRY_WEBHOOK_SECRET === undefined,
  },
  {
    setting: 'RESPONSE_BUDGET_BYTES',
    message: 'must be at least MAX_RESPONSE_BYTES: a longer response could never be sent',
    isBroken: (values) => values.RESPONSE_BUDGET_BYTES < values.MAX_RESPONSE_BYTES,
  },
  {
    setting: 'BODY_BUDGET_BYTES',
    message:
      'must be at least 2 × BODY_LIMIT_BYTES: one client can use half of it, so a longer body would never be accepted',
    isBroken: (values) => values.BODY_BUDGET_BYTES < 2 * values.BODY_LIMIT_BYTES,
  },
  {
    setting: 'MAX_STALENESS_MS',
    message: 'must be at least REVALIDATE_AFTER_MS: a younger record is used without a check',
    isBroken: (values) => values.MAX_STALENESS_MS < values.REVALIDATE_AFTER_MS,
  },
  {
    setting: 'TLS_CLIENT_CA_FILE',
    message: 'requires TLS_CERT_FILE and TLS_KEY_FILE',
    isBroken: (values) => values.TLS_CLIENT_CA_FILE !== undefined && values.TLS_CERT_FILE === undefined,
  },
  {
    setting: 'TLS_CLIENT_CRL_FILE',
    message: 'requires TLS_CLIENT_CA_FILE',
    isBroken: (values) => values.TLS_CLIENT_CRL_FILE !== undefined && values.TLS_CLIENT_CA_FILE === undefined,
  },
  {
    setting: 'CLIENT_CERTIFICATE_NAMES',
    message:
      'required with TLS_CLIENT_CA_FILE: the names (SAN) of the trusted callers. Without it, each certificate of these authorities would count',
    isBroken: (values) =>
      values.TLS_CLIENT_CA_FILE !== undefined && values.CLIENT_CERTIFICATE_NAMES.length === 0,
  },
  {
    setting: 'CLIENT_CERTIFICATE_NAMES',
    message: 'requires TLS_CLIENT_CA_FILE',
    isBroken: (values) =>
      values.TLS_CLIENT_CA_FILE === undefined && values.CLIENT_CERTIFICATE_NAMES.length > 0,
  },
];
