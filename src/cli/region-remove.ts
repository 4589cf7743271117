import type pg from 'pg';
import { withClient } from '../database/one-client.ts';
import { dropSlot } from '../database/region/attach-slot.ts';
import { APPLICATION, onPrimary } from '../database/region/reach-primary.ts';
import { detach } from '../database/region/rebuild-subscription.ts';
import { readRegionSlot } from '../database/region/region-slots.ts';
import { readRegionState, storedConnection } from '../database/region/region-state.ts';
import { dropSubscription, PrimaryGoneError, type Slot } from '../database/region/remove-region.ts';
import { messageOf } from '../lib/message-of.ts';
import { NotFoundError, RefusedError, UsageError } from './command-failure.ts';
import { consent, primaryConnection, type RemoveFlags, regionUrl } from './region-flags.ts';

/** What was removed, or would be. */
export interface Removed {
  /** Null with `--region-gone`. */
  subscription: string | null;
  slot: { name: string | null; was: Slot };
  dry_run: boolean;
}

export async function removeCommand(flags: RemoveFlags): Promise<Removed> {
  if (flags.regionGone === true && flags.primaryGone === true)
    throw new UsageError('--region-gone and --primary-gone exclude each other.');
  return flags.regionGone === true ? removeFromPrimary(flags) : removeFromRegion(flags);
}

async function removeFromRegion(flags: RemoveFlags): Promise<Removed> {
  return withClient(regionUrl(flags), APPLICATION, async (region) => {
    const { subscription, worker } = await readRegionState(region);
    if (subscription === null) {
      throw new NotFoundError(
        'The region has no subscription. If the primary still has a slot for it: iam region remove --region-gone --name <name>',
      );
    }
    const { name, slot } = subscription;
    if (flags.name !== undefined && flags.name !== name) {
      throw new UsageError(
        `The subscription of this region is "${name}", not "${flags.name}" (--name or SUBSCRIPTION_NAME).`,
      );
    }
    const dryRun = flags.dryRun === true;
    const primaryGone = flags.primaryGone === true;
    if (primaryGone && worker.running && flags.force !== true) {
      throw new RefusedError(
        `The region receives changes from the primary, so it is not gone. Without --primary-gone the slot "${slot}" is dropped too; otherwise the primary would keep WAL for it for ever.`,
      );
    }
    if (dryRun) {
      const was = primaryGone ? 'left' : await foreseeSlot(region, slot, flags.primary);
      return { subscription: name, slot: { name: slot, was }, dry_run: true };
    }
    await consent(flags, `Remove the subscription ${name}? The region then receives no changes.`);
    if (primaryGone) {
      await detach(region, name);
      return { subscription: name, slot: { name: slot, was: 'left' }, dry_run: false };
    }
    try {
      return {
        subscription: name,
        slot: { name: slot, was: await dropSubscription(region, name) },
        dry_run: false,
      };
    } catch (error) {
      if (!(error instanceof PrimaryGoneError)) throw error;
      throw unreachable(`The server of the region cannot reach the primary (${error.message})`);
    }
  });
}

/** What would happen to the slot. This process connects instead of the region's server, whose way to the primary may be another one. */
async function foreseeSlot(
  region: pg.ClientBase,
  slot: string | null,
  connection: string | undefined,
): Promise<Slot> {
  const primary = connection ?? (await storedConnection(region));
  if (slot === null || primary === undefined) return 'dropped';
  try {
    const found = await onPrimary(primary, (client) => readRegionSlot(client, slot));
    return found === undefined ? 'was gone' : 'dropped';
  } catch (error) {
    throw unreachable(`The primary cannot be reached (${messageOf(error)})`);
  }
}

function unreachable(reason: string): RefusedError {
  return new RefusedError(
    `Nothing was changed. ${reason}. If the primary is gone for good, use --primary-gone.`,
  );
}

async function removeFromPrimary(flags: RemoveFlags): Promise<Removed> {
  const { name } = flags;
  if (name === undefined)
    throw new UsageError('--region-gone needs --name; "iam region list" shows the names.');
  return onPrimary(primaryConnection(flags), async (primary) => {
    const slot = await readRegionSlot(primary, name);
    if (slot === undefined) throw new NotFoundError(`The primary has no slot "${name}" of a region.`);
    if (slot.active && flags.force !== true) {
      throw new RefusedError(
        `A region is connected to the slot "${name}"${slot.address === null ? '' : ` from ${slot.address}`}, so it is not gone. Run "iam region remove" there, or use --force.`,
      );
    }
    if (flags.dryRun === true) return { subscription: null, slot: { name, was: 'dropped' }, dry_run: true };
    await consent(flags, `Drop the slot ${name}? A region that still needs it misses changes.`);
    await dropSlot(primary, name, flags.force === true);
    return { subscription: null, slot: { name, was: 'dropped' }, dry_run: false };
  });
}
