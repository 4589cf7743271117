import type pg from 'pg';
import { withClient } from '../database/one-client.ts';
import type { Comparison } from '../database/region/await-comparison.ts';
import { APPLICATION } from '../database/region/reach-primary.ts';
import { storedConnection } from '../database/region/region-state.ts';
import { readRegionStatus } from '../database/region/region-status.ts';
import {
  hasRowsOfPrimary,
  maySubscribe,
  planResync,
  type ResyncPlan,
  resyncRegion,
} from '../database/region/resync-region.ts';
import { DEFAULT_SUBSCRIPTION } from '../database/subscription.ts';
import { RefusedError } from './command-failure.ts';
import { EXIT } from './exit-codes.ts';
import {
  checkedPrimary,
  consent,
  primaryConnection,
  problemLines,
  type ResyncFlags,
  regionUrl,
  report,
} from './region-flags.ts';
import { repairer } from './region-repair.ts';

/** What a resync did, or would do. */
export interface Resynced {
  plan: ResyncPlan;
  dry_run: boolean;
  /** Absent if nothing was done. */
  comparison?: Comparison;
  seconds?: number;
}

/** Exits with `EXIT.notInStep` if the region still differs. */
export async function resyncCommand(flags: ResyncFlags): Promise<Resynced> {
  if (flags.primary) checkedPrimary(flags.primary, '--primary');
  return withClient(regionUrl(flags), APPLICATION, (region) => resync(region, flags));
}

async function resync(region: pg.Client, flags: ResyncFlags): Promise<Resynced> {
  const connection = flags.primary ?? (await storedConnection(region)) ?? primaryConnection(flags);
  const name = flags.name ?? DEFAULT_SUBSCRIPTION;
  const status = await readRegionStatus(region, connection, name);
  const plan = planResync(status, await hasRowsOfPrimary(region));
  if (plan.action === 'refuse') throw new RefusedError(`Nothing was changed.\n${problemLines(plan.reasons)}`);
  if (plan.action === 'rebuild' && !(await maySubscribe(region))) throw new RefusedError(MAY_NOT_SUBSCRIBE);
  const dryRun = flags.dryRun === true;
  if (plan.action === 'nothing' || dryRun) return { plan, dry_run: dryRun };
  if (plan.action === 'rebuild') {
    process.stderr.write(`${problemLines(plan.reasons)}\n`);
    await consent(flags, 'Give the region a new subscription and compare all rows?');
  }
  const startedMs = performance.now();
  const comparison = await resyncRegion(region, {
    status,
    plan,
    name,
    connection,
    repair: repairer(region),
    report,
  });
  if (!comparison.equal) process.exitCode = EXIT.notInStep;
  return { plan, dry_run: false, comparison, seconds: (performance.now() - startedMs) / 1_000 };
}

const MAY_NOT_SUBSCRIBE =
  'Nothing was changed. The region needs a new subscription, which its owner may not create. Before Postgres 16 a superuser must run this command; later: GRANT pg_create_subscription TO the owner.';
