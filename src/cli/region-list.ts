import type pg from 'pg';
import { onPrimary } from '../database/region/reach-primary.ts';
import { type RegionSlot, readRegionSlots, readRetainedLimit } from '../database/region/region-slots.ts';
import { PUBLICATION } from '../database/subscription.ts';
import { NotFoundError } from './command-failure.ts';
import { type ListFlags, primaryConnection } from './region-flags.ts';

/** The regions of a primary. */
export interface RegionList {
  regions: readonly RegionSlot[];
  /** Limit of the WAL that a slot may retain; null if there is none. */
  retained_limit_bytes: number | null;
}

export function listRegions(flags: ListFlags): Promise<RegionList> {
  return onPrimary(primaryConnection(flags), async (primary) => {
    if (!(await isPublished(primary))) {
      throw new NotFoundError(
        `The database has no publication "${PUBLICATION}", so it is not the primary. Check --primary, also its dbname.`,
      );
    }
    return {
      regions: await readRegionSlots(primary),
      retained_limit_bytes: await readRetainedLimit(primary),
    };
  });
}

/** Regions lack the publication, as other databases do. */
async function isPublished(primary: pg.ClientBase): Promise<boolean> {
  return (await primary.query('SELECT FROM pg_publication WHERE pubname = $1', [PUBLICATION])).rowCount === 1;
}
