import type { Problem } from './findings.ts';
import type { ReplicationSlots } from './replication-slots.ts';
import { FAILOVER_SLOTS } from './subscription.ts';

/** A primary and the region that subscribes to it. */
export interface FailoverFacts extends ReplicationSlots {
  primaryVersion: number;
  regionVersion: number;
  /** Slot of the region. */
  slot: string;
}

/**
 * What would keep regions from following a promoted standby (docs/failover.md). A primary without a slot for a standby has none
 * of these.
 */
export function failoverWarnings(facts: FailoverFacts): Problem[] {
  const { slots, standbySlots, missingStandbySlots, primaryVersion, regionVersion, slot } = facts;
  const [standby] = slots.filter(({ kind }) => kind === 'physical');
  if (standby === undefined && standbySlots.length === 0) return [];
  if (primaryVersion < FAILOVER_SLOTS || regionVersion < FAILOVER_SLOTS) {
    return [
      {
        message: `After a promotion the region must be copied again: Postgres ${Math.min(primaryVersion, regionVersion)} has no failover slots.`,
        fix: `Use Postgres ${FAILOVER_SLOTS} or later for the primary and the region.`,
      },
    ];
  }
  const others = slots.filter(({ kind, failover, name }) => kind === 'logical' && !failover && name !== slot);
  return [
    ...(standbySlots.length > 0
      ? []
      : [
          {
            message:
              'synchronized_standby_slots of the primary is empty, so regions may receive changes that a promoted standby lacks.',
            fix: `If the standby of the slot "${standby?.name}" may be promoted, on the primary: ALTER SYSTEM SET synchronized_standby_slots = '${standby?.name}'; SELECT pg_reload_conf();`,
          },
        ]),
    ...missingStandbySlots.map((name) => ({
      message: `No standby uses the slot "${name}" of synchronized_standby_slots, so regions receive nothing.`,
      fix: 'Start the standby, or remove the name from the setting of the primary.',
    })),
    ...others.map(({ name }) => ({
      message: `Standbys do not copy the slot "${name}", so its subscriber cannot follow a promoted one.`,
      fix: 'Run this command for that region too.',
    })),
  ];
}
