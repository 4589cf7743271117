import pg from 'pg';

/** The publication that the primary's migrations create. */
const PUBLICATION = 'iam';

/**
 * Subscribes a region to the primary. An existing subscription stays unchanged.
 *
 * The single apply worker spools and applies large transactions (`streaming = on`). Parallel workers would break the
 * order of the change feed.
 * @param regionUrl regional database, with a user that may create subscriptions
 * @param primaryUrl primary database, with a user that may replicate
 * @param name name of the subscription and of its slot on the primary; unique among regions
 */
export async function subscribeRegion(regionUrl: string, primaryUrl: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: regionUrl, application_name: 'iam-subscribe' });
  await client.connect();
  try {
    const existing = await client.query('SELECT FROM pg_subscription WHERE subname = $1', [name]);
    if (existing.rowCount === 0) {
      await client.query(
        `CREATE SUBSCRIPTION ${client.escapeIdentifier(name)} CONNECTION ${client.escapeLiteral(primaryUrl)}
         PUBLICATION ${PUBLICATION} WITH (streaming = on, copy_data = true)`,
      );
    }
  } finally {
    await client.end();
  }
}

/** Drops a region's subscription and its slot on the primary; an abandoned slot retains WAL without limit. */
export async function unsubscribeRegion(regionUrl: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: regionUrl, application_name: 'iam-unsubscribe' });
  await client.connect();
  try {
    await client.query(`DROP SUBSCRIPTION IF EXISTS ${client.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}
