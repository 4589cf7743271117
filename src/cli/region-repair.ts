import type pg from 'pg';
import pino from 'pino';
import { loadConfig } from '../config.ts';
import { Database } from '../control-plane/database.ts';
import { repairRegion } from '../control-plane/repairs/repair-region.ts';
import type { RepairBuckets } from '../database/region/await-comparison.ts';
import { assertVerified } from '../database/verified-connection.ts';
import { messageOf } from '../lib/message-of.ts';
import { openPrimary } from './database-target.ts';

const TIMEOUT_MS = 60_000;

/**
 * Repairs with PRIMARY_DATABASE_URL, the login of the control plane. Without it, the pods of the region request repairs, and a control
 * plane publishes them.
 * @throws {UnverifiedConnectionError} before anything has changed
 * @param region connection of the region's owner
 */
export function repairer(region: pg.Client): RepairBuckets | undefined {
  const { PRIMARY_DATABASE_URL: url } = loadConfig(process.env);
  if (url === undefined) return undefined;
  assertVerified(url, 'PRIMARY_DATABASE_URL');
  return async (report) => {
    const { pool } = openPrimary();
    try {
      let reported = '';
      await repairRegion(region, new Database(pool), {
        timeoutMs: TIMEOUT_MS,
        onProgress: ({ diverged, unverified }) => {
          const line = `repairing buckets: ${diverged} diverged, ${unverified} not compared`;
          if (line !== reported) report(line);
          reported = line;
        },
        logger: pino({ level: 'silent' }),
      });
    } catch (error) {
      report(`the repair failed: ${messageOf(error)}`);
    } finally {
      await pool.end();
    }
  };
}
