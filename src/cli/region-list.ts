import { onPrimary } from '../database/region/reach-primary.ts';
import { type RegionSlot, readRegionSlots, readRetainedLimit } from '../database/region/region-slots.ts';
import { type ListFlags, primaryConnection } from './region-flags.ts';

/** The regions of a primary. */
export interface RegionList {
  regions: readonly RegionSlot[];
  /** Limit of the WAL that a slot may retain; null if there is none. */
  retained_limit_bytes: number | null;
}

export function listRegions(flags: ListFlags): Promise<RegionList> {
  return onPrimary(primaryConnection(flags), async (primary) => ({
    regions: await readRegionSlots(primary),
    retained_limit_bytes: await readRetainedLimit(primary),
  }));
}
