import type pg from 'pg';
import { withClient } from '../src/database/one-client.ts';
import { replicationPositions } from '../src/database/replication-positions.ts';

/** Databases of the two servers, as superuser, and the subscription between them. */
export interface RegionLink {
  primaryUrl: string;
  regionUrl: string;
  subscription: string;
  /** For messages. */
  primaryDirectory: string;
  regionDirectory: string;
}

/**
 * Decides whether the region can continue with its data. Call it before anything is written to the primary: the apply worker
 * hides a gap with the next transaction.
 * @returns undefined if it can, or if it has no data yet; else the reason why it needs a new copy
 * @throws Error if the primary lacks what the region has: only the user knows which of both is right
 */
export async function whyCopyAgain(link: RegionLink): Promise<string | undefined> {
  return withBoth(link, async (region, primary) => {
    const positions = await replicationPositions(region, primary, link.subscription);
    const versions = { region: await newestVersion(region), primary: await newestVersion(primary) };
    if (positions?.verdict === 'origin-ahead' || versions.region > versions.primary) {
      throw new Error(primaryIsOlder(link));
    }
    if (positions === undefined) {
      const { rowCount } = await primary.query('SELECT FROM pg_replication_slots WHERE slot_name = $1', [
        link.subscription,
      ]);
      return rowCount === 0 && versions.region === 0n
        ? undefined
        : 'The data of the region is missing or incomplete.';
    }
    return {
      usable: undefined,
      missing: 'The primary does not know the region (any more): its replication slot is missing.',
      lost: 'The region was away for too long: the primary has discarded changes that it had not received.',
    }[positions.slot];
  });
}

/** Whether both have the same keys and roles. The region must have applied everything, and nothing may be written meanwhile. */
export async function hasSameRows(link: RegionLink): Promise<boolean> {
  return withBoth(link, async (region, primary) => (await digest(region)) === (await digest(primary)));
}

function primaryIsOlder({ primaryDirectory, regionDirectory }: RegionLink): string {
  return `The data of the primary (${primaryDirectory}) is older than that of the region: it lacks changes that the region has, such as new keys and revocations. Nothing was deleted.
Put the newer directory of the primary back. Or accept the loss: delete ${regionDirectory} and start again, and the region copies the older keys. Or delete everything: npm start -- --reset`;
}

/** Versions come from one sequence on the primary, so no region has a newer one. 0 without rows. */
async function newestVersion(client: pg.Client): Promise<bigint> {
  // A migration that was interrupted has created no tables yet.
  const { rows: tables } = await client.query(
    "SELECT to_regclass('public.api_keys') IS NOT NULL AND to_regclass('public.roles') IS NOT NULL AS exist",
  );
  if (!tables[0].exist) return 0n;
  const { rows } = await client.query(
    'SELECT coalesce(greatest((SELECT max(version) FROM api_keys), (SELECT max(version) FROM roles)), 0)::text AS newest',
  );
  return BigInt(rows[0].newest);
}

async function digest(client: pg.Client): Promise<string> {
  const { rows } = await client.query(
    `SELECT (SELECT concat_ws(' ', count(*), sum(fingerprint)) FROM api_keys) AS keys,
       (SELECT concat_ws(' ', count(*), sum(fingerprint)) FROM roles) AS roles`,
  );
  return JSON.stringify(rows);
}

function withBoth<Result>(
  { regionUrl, primaryUrl }: RegionLink,
  work: (region: pg.Client, primary: pg.Client) => Promise<Result>,
): Promise<Result> {
  return withClient(regionUrl, 'iam-dev', (region) =>
    withClient(primaryUrl, 'iam-dev', (primary) => work(region, primary)),
  );
}
