import { z } from 'zod';
import { integer } from './types.ts';

/** Pods that share a Redis compare their times (`CLOCK_SKEW_MS`), so no setting may allow more. */
export const MAX_CLOCK_TOLERANCE_MS = 5_000;

/** How a region follows the primary, and how old a record may be. */
export const freshnessSettings = {
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
} as const;
