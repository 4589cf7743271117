import type pg from 'pg';
import type { Findings, Problem } from '../findings.ts';
import { checkMigration, migrate } from '../migrate.ts';
import { withClient } from '../one-client.ts';
import {
  DEFAULT_SUBSCRIPTION,
  PUBLICATION,
  type Subscribed,
  subscribeRegion,
  untilReceiving,
} from '../subscription.ts';
import { awaitCopy, type CopyWait } from './await-copy.ts';
import { subscribeEmptied, tablesWithRows } from './empty-tables.ts';
import { APPLICATION } from './reach-primary.ts';

/** The region to add, or to correct. */
export interface NewRegion {
  regionUrl: string;
  /** Name of the subscription and of its slot. Undefined: that of the subscription which exists, else "iam". */
  name: string | undefined;
  /** libpq connection string of the primary, for the server of the region. */
  connection: string;
  /** Whether rows that the region has are deleted, so that the tables can be copied. */
  emptyFirst: boolean;
  /** Undefined: does not wait for the copy. */
  wait: CopyWait | undefined;
}

/** What happened. */
export interface AddedRegion extends Pick<Findings, 'warnings' | 'unchecked'> {
  subscription: string;
  applied: readonly string[];
  change: Subscribed;
  emptied: boolean;
  /** Whether the region has all rows of the primary; null if the command did not wait. */
  complete: boolean | null;
  /** What is missing, if the region is not complete. */
  missing?: string;
}

/**
 * Migrates the database of a region and subscribes it to the primary. A subscription that exists gets the connection string, the
 * options and all published tables, and is enabled. Waits until the region has all rows.
 * @returns the problems that prevent it, before anything was changed
 */
export async function addRegion(planned: NewRegion): Promise<AddedRegion | readonly Problem[]> {
  const { regionUrl, connection } = planned;
  const existing = await withClient(regionUrl, APPLICATION, existingName);
  if (existing !== undefined && planned.emptyFirst) return [subscribed(existing)];
  const name = planned.name ?? existing ?? DEFAULT_SUBSCRIPTION;
  const findings = await checkMigration(regionUrl, {
    kind: 'region',
    passwords: [],
    subscription: { name, connection },
  });
  if (findings.problems.length > 0) return findings.problems;
  const canCheckRows = findings.unchecked.length === 0;
  const full =
    existing === undefined && canCheckRows
      ? await withClient(regionUrl, APPLICATION, (region) => tablesWithRows(region, connection))
      : [];
  if (full.length > 0 && !planned.emptyFirst) return [rowsExist(full)];
  const applied = await migrate(regionUrl, 'region');
  const emptied = full.length > 0;
  const change = emptied
    ? await withClient(regionUrl, APPLICATION, (region) => createEmptied(region, connection, name))
    : await subscribeRegion(regionUrl, connection, name);
  const { wait } = planned;
  const missing = wait && (await withClient(regionUrl, APPLICATION, (region) => awaitCopy(region, wait)));
  return {
    subscription: name,
    applied,
    change,
    emptied,
    complete: wait === undefined ? null : missing === undefined,
    ...(missing !== undefined && { missing }),
    warnings: findings.warnings,
    unchecked: findings.unchecked,
  };
}

async function createEmptied(region: pg.Client, connection: string, name: string): Promise<Subscribed> {
  await subscribeEmptied(region, connection, name);
  await untilReceiving(region, name);
  return 'created';
}

async function existingName(region: pg.Client): Promise<string | undefined> {
  const { rows } = await region.query<{ name: string }>(
    `SELECT subname::text AS name FROM pg_subscription
     WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND $1 = ANY (subpublications)
     ORDER BY subname LIMIT 1`,
    [PUBLICATION],
  );
  return rows[0]?.name;
}

function subscribed(name: string): Problem {
  return {
    message: `The region has a subscription "${name}", so its rows are in use.`,
    fix: 'To repair rows while the region serves: "iam region resync". To delete and copy them again: "iam region remove", then "iam region add --empty-first".',
  };
}

function rowsExist(tables: readonly string[]): Problem {
  return {
    message: `The region has no subscription, but rows in ${tables.join(', ')}. A copy would fail on them.`,
    fix: 'To keep them and compare them with the primary, while the region serves: "iam region resync". To delete and copy them again: --empty-first; until the copy ends, keys that are not copied yet get 503.',
  };
}
