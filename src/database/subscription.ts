import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { messageOf } from '../lib/message-of.ts';
import { subscriptionConnection } from './connection-string.ts';
import { withClient } from './one-client.ts';

/** The publication that the primary's migrations create. */
export const PUBLICATION = 'iam';

/** Name of a region's subscription, and of its slot on the primary, unless the operator chooses another. */
export const DEFAULT_SUBSCRIPTION = 'iam';

/** The first version that copies logical slots to standbys. Both servers must have it. */
export const FAILOVER_SLOTS = 17;

/** How long a subscription may take to connect to the primary. */
const CONNECT_TIMEOUT_MS = 15_000;
const CHECK_INTERVAL_MS = 100;

/** What happened to a subscription. */
export type Subscribed = 'created' | 'updated';

/**
 * Subscribes a region to the primary. An existing subscription gets the connection string and is enabled; it continues
 * where it was. Returns when the region receives changes.
 *
 * Since Postgres 17, standbys of the primary copy the slot (`failover = true`), so that the region can follow a promoted one.
 *
 * The single apply worker spools and applies large transactions (`streaming = on`). Parallel workers would break the
 * order of the change feed.
 * @param regionUrl regional database, with a user that may create subscriptions
 * @param primaryUrl libpq connection string of the primary, with a user that may replicate
 * @param name name of the subscription and of its slot on the primary; unique among regions
 * @throws Error if the server of the region cannot connect to the primary
 */
export async function subscribeRegion(
  regionUrl: string,
  primaryUrl: string,
  name: string,
): Promise<Subscribed> {
  return withClient(regionUrl, 'iam-subscribe', async (client) => {
    const connection = client.escapeLiteral(subscriptionConnection(primaryUrl));
    const exists = await isSubscribed(client, name);
    if (exists) await updateSubscription(client, name, connection);
    else await createSubscription(client, name, connection);
    await untilReceiving(client, name);
    return exists ? 'updated' : 'created';
  });
}

async function createSubscription(client: pg.Client, name: string, connection: string): Promise<void> {
  const create = (failover: string) =>
    client.query(
      `CREATE SUBSCRIPTION ${client.escapeIdentifier(name)} CONNECTION ${connection}
       PUBLICATION ${PUBLICATION} WITH (streaming = on, copy_data = true${failover})`,
    );
  if (!(await hasFailoverSlots(client))) {
    await create('');
    return;
  }
  try {
    await create(', failover = true');
  } catch (error) {
    if (!isOlderPrimary(error)) throw error;
    await create('');
  }
}

async function updateSubscription(client: pg.Client, name: string, connection: string): Promise<void> {
  const subscription = client.escapeIdentifier(name);
  await client.query(`ALTER SUBSCRIPTION ${subscription} CONNECTION ${connection}`);
  if (await lacksFailover(client, name)) await setFailover(client, subscription);
  await client.query(`ALTER SUBSCRIPTION ${subscription} ENABLE`);
  // Connects to the primary, so a wrong connection string is an error here.
  await client.query(`ALTER SUBSCRIPTION ${subscription} REFRESH PUBLICATION`);
}

/** Postgres sets it, also on the slot, only while the subscription is disabled. Changes wait for that moment. */
async function setFailover(client: pg.Client, subscription: string): Promise<void> {
  await client.query(`ALTER SUBSCRIPTION ${subscription} DISABLE`);
  try {
    await client.query(`ALTER SUBSCRIPTION ${subscription} SET (failover = true)`);
  } catch (error) {
    if (isOlderPrimary(error)) return;
    await client.query(`ALTER SUBSCRIPTION ${subscription} ENABLE`);
    throw error;
  }
}

async function lacksFailover(client: pg.Client, name: string): Promise<boolean> {
  if (!(await hasFailoverSlots(client))) return false;
  const { rowCount } = await client.query(
    `SELECT FROM pg_subscription WHERE subname = $1 AND NOT subfailover AND ${HERE}`,
    [name],
  );
  return rowCount === 1;
}

async function hasFailoverSlots(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ version: number }>(
    "SELECT current_setting('server_version_num')::int / 10000 AS version",
  );
  return (rows[0]?.version ?? 0) >= FAILOVER_SLOTS;
}

/** Whether the primary refused `failover`, an option (CREATE) and a command (ALTER) that it does not have before Postgres 17. */
function isOlderPrimary(error: unknown): boolean {
  return /"ALTER_REPLICATION_SLOT"|: failover\s*$/.test(messageOf(error));
}

/** Other databases of the server may have subscriptions of the same name. */
const HERE = 'subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())';

async function isSubscribed(client: pg.Client, name: string): Promise<boolean> {
  const { rowCount } = await client.query(`SELECT FROM pg_subscription WHERE subname = $1 AND ${HERE}`, [
    name,
  ]);
  return rowCount === 1;
}

/** Resolves when the apply worker has received a message. @throws Error if it receives none */
export async function untilReceiving(client: pg.Client, name: string): Promise<void> {
  for (const endsAt = Date.now() + CONNECT_TIMEOUT_MS; ; await sleep(CHECK_INTERVAL_MS)) {
    const { rowCount } = await client.query(
      `SELECT FROM pg_stat_subscription JOIN pg_subscription ON oid = subid
       WHERE pg_subscription.subname = $1 AND ${HERE} AND relid IS NULL AND last_msg_receipt_time IS NOT NULL`,
      [name],
    );
    if (rowCount !== 0) return;
    if (Date.now() > endsAt) {
      throw new Error(
        `The subscription ${name} exists, but receives nothing from the primary. The log of the region's server states the cause.`,
      );
    }
  }
}
