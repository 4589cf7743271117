import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { withDeadPeerDetection } from './connection-string.ts';
import { withClient } from './one-client.ts';

/** The publication that the primary's migrations create. */
export const PUBLICATION = 'iam';

/** How long a subscription may take to connect to the primary. */
const CONNECT_TIMEOUT_MS = 15_000;
const CHECK_INTERVAL_MS = 100;

/** What happened to a subscription. */
export type Subscribed = 'created' | 'updated';

/**
 * Subscribes a region to the primary. An existing subscription gets the connection string and is enabled; it continues
 * where it was. Returns when the region receives changes.
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
    const subscription = client.escapeIdentifier(name);
    const connection = client.escapeLiteral(withDeadPeerDetection(primaryUrl));
    const exists = await isSubscribed(client, name);
    if (exists) {
      await client.query(`ALTER SUBSCRIPTION ${subscription} CONNECTION ${connection}`);
      await client.query(`ALTER SUBSCRIPTION ${subscription} ENABLE`);
      // Connects to the primary, so a wrong connection string is an error here.
      await client.query(`ALTER SUBSCRIPTION ${subscription} REFRESH PUBLICATION`);
    } else {
      await client.query(
        `CREATE SUBSCRIPTION ${subscription} CONNECTION ${connection}
         PUBLICATION ${PUBLICATION} WITH (streaming = on, copy_data = true)`,
      );
    }
    await untilReceiving(client, name);
    return exists ? 'updated' : 'created';
  });
}

/** Other databases of the server may have subscriptions of the same name. */
const HERE = 'subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())';

async function isSubscribed(client: pg.Client, name: string): Promise<boolean> {
  const { rowCount } = await client.query(`SELECT FROM pg_subscription WHERE subname = $1 AND ${HERE}`, [
    name,
  ]);
  return rowCount === 1;
}

async function untilReceiving(client: pg.Client, name: string): Promise<void> {
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
