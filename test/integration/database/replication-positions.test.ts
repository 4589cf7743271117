import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { beforeAll, expect, inject, it } from 'vitest';
import { migrate } from '../../../src/database/migrate.ts';
import {
  type ReplicationPositions,
  replicationPositions,
} from '../../../src/database/replication-positions.ts';
import { subscribeRegion } from '../../../src/database/subscription.ts';
import { runStatement } from '../../support/run-statement.ts';
import { createScratchDirectory, startTestPostgres } from '../../support/servers/postgres.ts';
import { unsubscribeRegion } from '../../support/unsubscribe-region.ts';

/** The tests run in order, on a primary of their own that discards WAL. */
const subscription = `positions_${randomBytes(4).toString('hex')}`;
let region: pg.Client;
let primary: pg.Client;

beforeAll(async () => {
  const scratch = await createScratchDirectory('positions');
  const { server, access } = await startTestPostgres(join(scratch, 'primary'), {
    max_slot_wal_keep_size: '1MB',
    max_wal_size: '64MB',
  });
  const servers = inject('postgres');
  await runStatement(servers.region.url, `CREATE DATABASE ${subscription}`);
  const regionUrl = new URL(servers.region.url);
  regionUrl.pathname = `/${subscription}`;
  await migrate(regionUrl.href, 'region');
  await migrate(access.url, 'primary');
  await subscribeRegion(regionUrl.href, access.url, subscription);
  region = new pg.Client({ connectionString: regionUrl.href });
  primary = new pg.Client({ connectionString: access.url });
  await Promise.all([region.connect(), primary.connect()]);
  return async () => {
    await Promise.all([region.end(), primary.end()]);
    await runStatement(regionUrl.href, `ALTER SUBSCRIPTION ${subscription} SET (slot_name = NONE)`);
    await unsubscribeRegion(regionUrl.href, subscription);
    await runStatement(servers.region.url, `DROP DATABASE ${subscription} WITH (FORCE)`);
    await server.stop('immediate');
    await rm(scratch, { recursive: true, force: true });
  };
});

const positions = () => replicationPositions(region, primary, subscription) as Promise<ReplicationPositions>;
const PATIENT = { timeout: 20_000, interval: 50 };

/** Stops the apply worker; Postgres then allows to move the origin and the slot. */
const disable = async () => {
  await region.query(`ALTER SUBSCRIPTION ${subscription} DISABLE`);
  await expect
    .poll(
      async () => (await primary.query('SELECT FROM pg_replication_slots WHERE active')).rowCount,
      PATIENT,
    )
    .toBe(0);
};
const moveOrigin = (to: string) =>
  region.query(
    `SELECT pg_replication_origin_advance('pg_' || oid, $1) FROM pg_subscription WHERE subname = $2`,
    [to, subscription],
  );

it('is undefined without the subscription', async () => {
  expect(await replicationPositions(region, primary, 'another')).toBeUndefined();
});

it('is contiguous after the region has applied a transaction, and while the primary writes more', async () => {
  await primary.query('UPDATE heartbeat SET beat_at = clock_timestamp()');
  await expect.poll(async () => (await positions()).originLsn, PATIENT).not.toBe('0/0');
  await disable();
  await primary.query('UPDATE heartbeat SET beat_at = clock_timestamp()');
  const { originLsn } = await positions();
  // The worker may have confirmed WAL that is not published.
  await moveOrigin((await positions()).confirmedLsn as string);
  expect(await positions()).toMatchObject({ slot: 'usable', verdict: 'contiguous' });
  expect(originLsn).not.toBe('0/0');
});

it('is ahead at the slot if the slot has moved on', async () => {
  const { currentLsn } = await positions();
  await primary.query('SELECT pg_replication_slot_advance($1, $2)', [subscription, currentLsn]);
  expect(await positions()).toMatchObject({ slot: 'usable', verdict: 'slot-ahead' });
});

it('is ahead at the origin if the primary lacks WAL that the region has applied', async () => {
  const { originLsn } = await positions();
  await moveOrigin('7FFFFFFF/0');
  expect(await positions()).toMatchObject({ slot: 'usable', verdict: 'origin-ahead' });
  await moveOrigin(originLsn);
});

it('reports a slot that Postgres has invalidated', async () => {
  await expect
    .poll(async () => {
      await primary.query('SELECT pg_switch_wal()');
      await primary.query('UPDATE heartbeat SET beat_at = clock_timestamp()');
      await primary.query('CHECKPOINT');
      return positions();
    }, PATIENT)
    .toMatchObject({ slot: 'lost', verdict: 'slot-ahead' });
});

it('reports a slot that is gone', async () => {
  await primary.query('SELECT pg_drop_replication_slot($1)', [subscription]);
  expect(await positions()).toMatchObject({ slot: 'missing', confirmedLsn: null, verdict: 'slot-ahead' });
});
