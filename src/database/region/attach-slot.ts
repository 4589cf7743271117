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
 * primary have ended. @param primary login with REPLICATION
 */
export async function createSlot(primary: pg.ClientBase, name: string): Promise<void> {
  await primary.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [name]);
}

/** @param primary login with REPLICATION */
export async function dropSlot(primary: pg.ClientBase, name: string): Promise<void> {
  await primary.query('SELECT pg_drop_replication_slot($1)', [name]);
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
  const failover =
    (await versionOf(region)) >= FAILOVER_SLOTS && (await versionOf(primary)) >= FAILOVER_SLOTS;
  await region.query(
    `CREATE SUBSCRIPTION ${pg.escapeIdentifier(name)}
     CONNECTION ${pg.escapeLiteral(subscriptionConnection(connection))} PUBLICATION ${PUBLICATION}
     WITH (create_slot = false, slot_name = ${pg.escapeLiteral(slot)}, streaming = on, copy_data = ${copyData}${failover ? ', failover = true' : ''})`,
  );
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
