import { integer } from './types.ts';

/** Limits of requests, responses and connections. */
export const limitSettings = {
  BODY_LIMIT_BYTES: integer(1_024, 16_777_216)
    .default(1_048_576)
    .describe(
      'Maximum size of a request body. A body of _authenticate has at most 655,360 bytes, which suffice for 1,000 contexts.',
    ),
  MAX_RESPONSE_BYTES: integer(65_536, 268_435_456)
    .default(16_777_216)
    .describe(
      'Maximum size of an _authenticate response, in bytes. Beyond it, the request gets 400. The default suffices for 1,000 contexts with the largest predefined role.',
    ),
  RESPONSE_BUDGET_BYTES: integer(1_048_576, 4_294_967_296)
    .default(67_108_864)
    .describe(
      'Maximum total size, in bytes, of the responses above 16 KiB that a process sends at a time. Beyond it, further ones get 503 with Retry-After. While others ask, an organization uses at most as much as it leaves free. At least MAX_RESPONSE_BYTES; a response longer than half of it is sent only while no other is.',
    ),
  BODY_BUDGET_BYTES: integer(1_048_576, 17_179_869_184)
    .default(67_108_864)
    .describe(
      'Maximum memory of request bodies in flight of a process, without the first 8 KiB of each. One client address uses at most as much as it leaves free, so at most half. Beyond it, requests get 503 with Retry-After.',
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
} as const;
