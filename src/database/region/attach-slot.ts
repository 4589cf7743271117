import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { subscriptionConnection } from '../connection-string.ts';
import { FAILOVER_SLOTS, PUBLICATION } from '../subscription.ts';

/** A subscription that gets a slot which exists. */
export interface Attachment {
  name: string;
  slot: string;
  /** libpq connection string of the primary. */
  connection: string;
  /** Whether the tables are copied. Else the rows of the region stay. */
  copyData: boolean;
}

/**
 * Creates the slot of a region. Changes that commit afterwards reach the region. Waits until the transactions that now run on the
 * primary have ended. Standbys copy it if both servers can (Postgres 17).
 * @param primary login with REPLICATION
 */
export async function createSlot(region: pg.ClientBase, primary: pg.ClientBase, name: string): Promise<void> {
  const failover = (await canFailOver(region, primary)) ? ', failover => true' : '';
  await primary.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput'${failover})`, [name]);
}

const DROP_ATTEMPTS = 20;
const RETRY_MS = 250;
/** SQLSTATE of a slot that a connection uses. */
const OBJECT_IN_USE = '55006';

/**
 * Drops the slot of a region. @param primary login with REPLICATION
 * @param force ends the connection that uses the slot; a region that still runs opens another one, so the slot is dropped at once
 */
export async function dropSlot(primary: pg.ClientBase, name: string, force = false): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    if (force) {
      await primary.query(
        'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active',
        [name],
      );
    }
    try {
      await primary.query('SELECT pg_drop_replication_slot($1)', [name]);
      return;
    } catch (error) {
      const inUse = (error as { code?: unknown }).code === OBJECT_IN_USE;
      if (!inUse || !force || attempt === DROP_ATTEMPTS) throw error;
      await sleep(RETRY_MS);
    }
  }
}

/**
 * Subscribes the region to a slot that exists. Postgres allows this in a transaction, unlike a subscription that creates its slot, so
 * that a former subscription, the rows and the new subscription change together.
 */
export async function attachSlot(
  region: pg.ClientBase,
  primary: pg.ClientBase,
  { name, slot, connection, copyData }: Attachment,
): Promise<void> {
  const failover = await canFailOver(region, primary);
  await region.query(
    `CREATE SUBSCRIPTION ${pg.escapeIdentifier(name)}
     CONNECTION ${pg.escapeLiteral(subscriptionConnection(connection))} PUBLICATION ${PUBLICATION}
     WITH (create_slot = false, slot_name = ${pg.escapeLiteral(slot)}, streaming = on, copy_data = ${copyData}${failover ? ', failover = true' : ''})`,
  );
}

async function canFailOver(region: pg.ClientBase, primary: pg.ClientBase): Promise<boolean> {
  return (await versionOf(region)) >= FAILOVER_SLOTS && (await versionOf(primary)) >= FAILOVER_SLOTS;
}

async function versionOf(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ version: number }>(
    "SELECT current_setting('server_version_num')::int / 10000 AS version",
  );
  return rows[0]?.version ?? 0;
}

/** Runs statements in one transaction, which does not wait long for locks: readers would wait behind it. */
export async function inTransaction(client: pg.ClientBase, work: () => Promise<void>): Promise<void> {
  await client.query("BEGIN; SET LOCAL lock_timeout = '10s'");
  try {
    await work();
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {}); // the connection may be gone
    throw error;
  }
}
