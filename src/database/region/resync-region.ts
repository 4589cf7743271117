import type pg from 'pg';
import type { Problem } from '../findings.ts';
import { DELEGATED_SUBSCRIPTIONS } from '../subscription-preflight.ts';
import { awaitComparison, type Comparison, type RepairBuckets } from './await-comparison.ts';
import { onPrimary } from './reach-primary.ts';
import { rebuildSubscription } from './rebuild-subscription.ts';
import { isUsable } from './region-slots.ts';
import type { RegionStatus } from './region-status.ts';
import { COMPARISON_LIMIT_SECONDS, HEARTBEAT_LIMIT_SECONDS, needsRebuild } from './verdict.ts';

/**
 * What a region needs.
 * - `nothing`: it is in step.
 * - `compare`: its rows are compared, and those that differ are repaired.
 * - `rebuild`: before that, it gets a new subscription.
 * - `refuse`: something that a resync does not repair.
 */
export type ResyncPlan =
  | { action: 'nothing' | 'compare'; reasons: readonly Problem[] }
  | { action: 'rebuild'; reasons: readonly Problem[]; drops_slot: string | null }
  | { action: 'refuse'; reasons: readonly Problem[] };

/** Decides what a region needs. @param hasRows whether it has rows of the primary */
export function planResync(status: RegionStatus, hasRows: boolean): ResyncPlan {
  const { region, primary, problems } = status;
  if (region.standby) return { action: 'refuse', reasons: problems };
  if (primary === null) {
    const message = `The primary cannot be reached (${status.primary_unreachable ?? ''}).`;
    return { action: 'refuse', reasons: [{ message, fix: 'Pass its connection string with --primary.' }] };
  }
  if (region.subscription === null || needsRebuild(primary)) return planRebuild(status, hasRows);
  const { unverified, suspected, diverged } = region.buckets;
  if (unverified + suspected + diverged > 0) return { action: 'compare', reasons: problems };
  return { action: problems.length === 0 ? 'nothing' : 'refuse', reasons: problems };
}

function planRebuild({ region, primary, problems }: RegionStatus, hasRows: boolean): ResyncPlan {
  const obstacles: Problem[] = [];
  const add = (isObstacle: boolean, message: string, fix: string) => {
    if (isObstacle) obstacles.push({ message, fix });
  };
  const slot = primary?.slot ?? null;
  add(!hasRows, 'The region has no rows.', 'Run "iam region add", which copies them.');
  add(
    region.tables.some(({ state }) => state !== 'ready'),
    'The subscription has not copied all tables, so most rows may be missing.',
    'Run "iam region remove", then "iam region add --empty-first".',
  );
  add(
    region.subscription === null && slot !== null,
    `The region has no subscription, but the primary has a slot "${slot?.name}".`,
    'Choose another --name. If no region uses the slot: "iam region remove --region-gone".',
  );
  add(
    (primary?.heartbeat_age_seconds ?? Number.POSITIVE_INFINITY) > HEARTBEAT_LIMIT_SECONDS ||
      (primary?.digest_age_seconds ?? Number.POSITIVE_INFINITY) > COMPARISON_LIMIT_SECONDS,
    'No control plane runs. Without its digests the region cannot be compared, and would answer 503.',
    'Start "iam control-plane", then repeat this command.',
  );
  if (obstacles.length > 0) return { action: 'refuse', reasons: obstacles };
  return {
    action: 'rebuild',
    reasons: problems,
    drops_slot: slot !== null && !isUsable(slot) ? slot.name : null,
  };
}

/** Whether the region has rows of the primary. The heartbeat is the first row of every region. */
export async function hasRowsOfPrimary(region: pg.ClientBase): Promise<boolean> {
  const { rows } = await region.query<{ found: boolean }>(
    'SELECT EXISTS (SELECT FROM heartbeat) OR EXISTS (SELECT FROM api_keys) OR EXISTS (SELECT FROM roles) AS found',
  );
  return rows[0]?.found === true;
}

/** Whether the region's user may create a subscription; an existing one gives it no right to another. */
export async function maySubscribe(region: pg.ClientBase): Promise<boolean> {
  const { rows } = await region.query<{ allowed: boolean }>(
    `SELECT rolsuper OR (current_setting('server_version_num')::int / 10000 >= $1
       AND EXISTS (SELECT FROM pg_roles AS delegate WHERE delegate.rolname = 'pg_create_subscription'
         AND pg_has_role(delegate.oid, 'USAGE'))) AS allowed
     FROM pg_roles WHERE rolname = current_user`,
    [DELEGATED_SUBSCRIPTIONS],
  );
  return rows[0]?.allowed === true;
}

/** What a resync needs. */
export interface Resync {
  status: RegionStatus;
  plan: ResyncPlan;
  /** Name of the subscription if the region has none. */
  name: string;
  /** libpq connection string of the primary, with REPLICATION for a rebuild. */
  connection: string;
  repair: RepairBuckets | undefined;
  report: (line: string) => void;
}

/** Does what the plan says. The region serves meanwhile; ids of buckets that are not verified get 503 until they are. */
export async function resyncRegion(region: pg.Client, resync: Resync): Promise<Comparison> {
  const { status, plan, connection, repair, report } = resync;
  if (plan.action === 'rebuild') {
    const { subscription } = status.region;
    const name = subscription?.name ?? resync.name;
    await onPrimary(connection, (primary) =>
      rebuildSubscription(region, primary, {
        exists: subscription !== null,
        name,
        slotName: subscription?.slot ?? name,
        connection,
        report,
      }),
    );
  }
  return awaitComparison(region, repair, report);
}
