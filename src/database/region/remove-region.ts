import pg from 'pg';
import { messageOf } from '../../lib/message-of.ts';
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
