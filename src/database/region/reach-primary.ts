import type pg from 'pg';
import { asUrls } from '../connection-string.ts';
import { withPrimary } from '../primary-connection.ts';
import { assertVerified } from '../verified-connection.ts';

/** The name by which `pg_stat_activity` shows the connections of `iam region`. */
export const APPLICATION = 'iam-region';

/**
 * Runs work on the primary.
 * @param connection libpq connection string, also one that the subscription of a region stores
 * @throws Error if only libpq can use it @throws {UnverifiedConnectionError}
 */
export async function onPrimary<Result>(
  connection: string,
  work: (primary: pg.Client) => Promise<Result>,
): Promise<Result> {
  assertVerified(connection, 'The connection string of the primary');
  const urls = asUrls(connection);
  if (urls === undefined) {
    throw new Error(
      'Only the server of the region can use the connection string of the primary. Pass one without a service or files.',
    );
  }
  return withPrimary(urls, APPLICATION, work);
}
