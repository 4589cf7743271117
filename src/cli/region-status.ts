import { withClient } from '../database/one-client.ts';
import { APPLICATION } from '../database/region/reach-primary.ts';
import { type RegionStatus, readRegionStatus } from '../database/region/region-status.ts';
import { EXIT } from './exit-codes.ts';
import { checkedPrimary, type RegionFlags, regionUrl } from './region-flags.ts';

/** Exits with `EXIT.notInStep` if the region is not in step with the primary. */
export async function regionStatus(flags: RegionFlags): Promise<RegionStatus> {
  const { primary } = flags;
  if (primary) checkedPrimary(primary, '--primary');
  const status = await withClient(regionUrl(flags), APPLICATION, (region) =>
    readRegionStatus(region, primary),
  );
  if (!status.in_step) process.exitCode = EXIT.notInStep;
  return status;
}
