import { z } from 'zod';
import { isNetwork } from '../lib/networks.ts';
import { integer, list, secrets, serverUrl } from './types.ts';

/** The way from a region to the control plane, and the addresses and rates of callers. */
export const callerSettings = {
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
} as const;
