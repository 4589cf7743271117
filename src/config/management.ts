import { z } from 'zod';
import { integer, list } from './types.ts';

/** What the control plane manages: keys, roles, expiry and conversion. */
export const managementSettings = {
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
} as const;
