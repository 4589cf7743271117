import { type AddedRegion, addRegion } from '../database/region/add-region.ts';
import { UsageError } from './command-failure.ts';
import { EXIT } from './exit-codes.ts';
import {
  type AddFlags,
  consent,
  primaryConnection,
  problemLines,
  regionUrl,
  report,
} from './region-flags.ts';

/** Exits with `EXIT.notInStep` if the region is added but does not have all rows. */
export async function addRegionCommand(flags: AddFlags): Promise<AddedRegion> {
  const connection = primaryConnection(flags);
  const url = regionUrl(flags);
  if (flags.emptyFirst === true) await consent(flags, 'Delete the rows of the region, and copy them again?');
  const added = await addRegion({
    regionUrl: url,
    name: flags.name,
    connection,
    emptyFirst: flags.emptyFirst === true,
    wait: flags.wait ? { stalledMs: Number(flags.timeout) * 1_000, connection, report } : undefined,
  });
  if (!('subscription' in added)) throw new UsageError(`Nothing was changed.\n${problemLines(added)}`);
  if (added.complete === false) process.exitCode = EXIT.notInStep;
  return added;
}
