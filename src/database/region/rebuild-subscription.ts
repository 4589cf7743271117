import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { untilReceiving } from '../subscription.ts';
import { attachSlot, createSlot, dropSlot, inTransaction } from './attach-slot.ts';
import { isUsable, readRegionSlot } from './region-slots.ts';

/** A subscription that cannot continue, and what replaces it. */
export interface Rebuild {
  /** Whether the region has a subscription. */
  exists: boolean;
  /** Name of the old and the new subscription. */
  name: string;
  slotName: string;
  connection: string;
  report: (line: string) => void;
}

/**
 * Gives a region a new subscription that keeps its rows. Nothing is lost: the slot exists first, so that every later change arrives, and
 * every earlier one is found by the comparison. The region is marked as unverified in the same transaction, so pods do not use a row
 * before its bucket was equal to the primary's.
 *
 * A usable slot stays: its position is right if only the region's origin is wrong. The apply worker moves the slot to its origin, so
 * it is stopped first.
 * @param primary login with REPLICATION
 */
export async function rebuildSubscription(
  region: pg.Client,
  primary: pg.ClientBase,
  { exists, name, slotName, connection, report }: Rebuild,
): Promise<void> {
  if (exists) await stopWorker(region, primary, name, slotName);
  const slot = await readRegionSlot(primary, slotName);
  const createsSlot = slot === undefined || !isUsable(slot);
  if (createsSlot) {
    if (slot !== undefined) {
      await dropSlot(primary, slotName, true);
      report(`dropped the slot ${slotName}, with which the region cannot continue`);
    }
    report(`creating the slot ${slotName}; this waits for the transactions that run on the primary`);
    await createSlot(region, primary, slotName);
  }
  try {
    await inTransaction(region, async () => {
      if (exists) await detach(region, name);
      await attachSlot(region, primary, { name, slot: slotName, connection, copyData: false });
      await region.query("SELECT record_break('resubscribed', NULL, NULL, true)");
    });
  } catch (error) {
    if (createsSlot) await dropSlot(primary, slotName);
    throw error;
  }
  report(`the region has a new subscription ${name}`);
  await untilReceiving(region, name);
}

const STOP_TIMEOUT_MS = 10_000;
const CHECK_INTERVAL_MS = 50;

async function stopWorker(
  region: pg.ClientBase,
  primary: pg.ClientBase,
  name: string,
  slotName: string,
): Promise<void> {
  await region.query(`ALTER SUBSCRIPTION ${pg.escapeIdentifier(name)} DISABLE`);
  for (const endsAtMs = Date.now() + STOP_TIMEOUT_MS; Date.now() < endsAtMs; await sleep(CHECK_INTERVAL_MS)) {
    if ((await readRegionSlot(primary, slotName))?.active !== true) return;
  }
}

/** Drops a subscription and leaves its slot. */
export async function detach(region: pg.ClientBase, name: string): Promise<void> {
  const subscription = pg.escapeIdentifier(name);
  await region.query(`ALTER SUBSCRIPTION ${subscription} DISABLE`);
  await region.query(`ALTER SUBSCRIPTION ${subscription} SET (slot_name = NONE)`);
  await region.query(`DROP SUBSCRIPTION ${subscription}`);
}
