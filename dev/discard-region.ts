import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { withClient } from '../src/database/one-client.ts';
import { detach } from '../src/database/region/rebuild-subscription.ts';

const DROP_TIMEOUT_MS = 10_000;

/**
 * Drops the region's database with its subscription, and the slots that the primary keeps for it. Everything in the region is a copy
 * of the primary, so a new subscription brings it back.
 * @param regionServerUrl another database of the region's server
 */
export async function discardRegion(
  regionServerUrl: string,
  region: { url: string; database: string; subscription: string },
  primaryUrl: string,
): Promise<void> {
  await withClient(region.url, 'iam-dev', (client) => dropSubscription(client, region.subscription));
  await withClient(regionServerUrl, 'iam-dev', async (client) => {
    await client.query(`DROP DATABASE ${pg.escapeIdentifier(region.database)} WITH (FORCE)`);
  });
  await withClient(primaryUrl, 'iam-dev', (client) => dropSlots(client, region.subscription));
}

/** Without a slot the subscription needs no primary, whose port may have changed. */
async function dropSubscription(client: pg.Client, name: string): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM pg_subscription WHERE subname = $1', [name]);
  if (rowCount !== 0) await detach(client, name);
}

/** The primary of the local stack has one region, so slots of initial copies belong to it too. */
async function dropSlots(client: pg.Client, name: string): Promise<void> {
  const ours = `database = current_database() AND (slot_name = $1 OR slot_name LIKE 'pg\\_%\\_sync\\_%')`;
  for (const end = Date.now() + DROP_TIMEOUT_MS; ; await sleep(50)) {
    await client.query(
      `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active AND ${ours}`,
      [name],
    );
    await client.query(
      `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active AND ${ours}`,
      [name],
    );
    const { rowCount } = await client.query(`SELECT FROM pg_replication_slots WHERE ${ours}`, [name]);
    if (rowCount === 0) return;
    if (Date.now() > end)
      throw new Error(`The primary still uses the replication slot ${name}. Start again.`);
  }
}
