import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { messageOf } from '../../lib/message-of.ts';
import { dropSlot } from './attach-slot.ts';
import { detach } from './rebuild-subscription.ts';

/** What happened to the slot of a subscription that was dropped. */
export type Slot = 'dropped' | 'was gone' | 'left';

/** The server of the region cannot reach the primary, so the slot cannot be dropped. */
export class PrimaryGoneError extends Error {
  override name = 'PrimaryGoneError';
}

/**
 * Drops a subscription and its slots on the primary. The rows of the region stay.
 * @throws PrimaryGoneError if the server of the region cannot connect to the primary; nothing is changed then
 */
export async function dropSubscription(region: pg.ClientBase, name: string): Promise<Slot> {
  try {
    await region.query(`DROP SUBSCRIPTION ${pg.escapeIdentifier(name)}`);
    return 'dropped';
  } catch (error) {
    const reason = messageOf(error);
    if (/could not connect to (the )?publisher/.test(reason)) throw new PrimaryGoneError(reason);
    if (!/replication slot .* does not exist/.test(reason)) throw error;
    await detach(region, name);
    return 'was gone';
  }
}

const DROP_ATTEMPTS = 20;
const RETRY_MS = 250;
/** SQLSTATE of a slot that a connection uses. */
const OBJECT_IN_USE = '55006';

/**
 * Drops the slot of a region. @param primary login with REPLICATION
 * @param force ends the connection that uses the slot; a region that still runs opens another one, so the slot is dropped at once
 */
export async function dropRegionSlot(primary: pg.ClientBase, name: string, force: boolean): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    if (force) {
      await primary.query(
        'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active',
        [name],
      );
    }
    try {
      await dropSlot(primary, name);
      return;
    } catch (error) {
      const inUse = (error as { code?: unknown }).code === OBJECT_IN_USE;
      if (!inUse || !force || attempt === DROP_ATTEMPTS) throw error;
      await sleep(RETRY_MS);
    }
  }
}
