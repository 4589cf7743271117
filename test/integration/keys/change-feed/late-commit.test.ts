import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { migrate } from '../../../../src/database/migrate.ts';
import type { Change } from '../../../../src/keys/change-feed/change.ts';
import { FeedConnection } from '../../../../src/keys/change-feed/feed-connection.ts';
import { PollSource } from '../../../../src/keys/change-feed/poll-source.ts';
import { type IssuedKey, insertKey, newCredential, revokeKey } from '../../../support/keys.ts';
import { metric, type Pods, startPods } from '../../../support/pods.ts';
import { type StandbyRegion, startStandbyRegion } from '../../../support/standby-region.ts';

/** The feed of a physical standby, and transactions of the primary that stay open after they got a version. */
const HOUR_MS = 3_600_000;
const REVOKE = "UPDATE api_keys SET revoked_at = clock_timestamp(), revoked_by = 'test' WHERE id = $1";
const OPTIONS = { connectTimeoutMs: 5_000, queryTimeoutMs: 5_000 };
const LISTENERS = { onNotify: () => {}, onDisconnect: () => {} };
const everything: Change = { entity: 'everything' };

let region: StandbyRegion;
let nowMs = Date.now();
let source: PollSource;
/** Open transactions of the test. */
let transactions: pg.PoolClient[] = [];

beforeAll(async () => {
  region = await startStandbyRegion({ max_prepared_transactions: '2' });
});
afterAll(() => region?.close());

beforeEach(() => {
  source = new PollSource(region.replicaUrl, OPTIONS, () => nowMs);
});
afterEach(async () => {
  source.close();
  for (const one of transactions) await one.query('ROLLBACK').finally(() => one.release());
  transactions = [];
});

const connect = () => source.connect(LISTENERS.onNotify, LISTENERS.onDisconnect);

/** Starts the source; no transaction is open, so it knows everything at once or after the next poll. */
async function follow(): Promise<void> {
  await connect();
  await region.replicated();
  await source.readBacklog();
  await expect.poll(async () => (await poll()).behind).toBe(false);
}

/** Everything that the source returns until it has no more, once the standby has what is committed now. */
async function poll(): Promise<{ changes: Change[]; behind: boolean }> {
  await region.replicated();
  const changes: Change[] = [];
  for (;;) {
    const batch = await source.read();
    changes.push(...batch.changes);
    if (!batch.more) return { changes, behind: batch.behind === true };
  }
}

/** Polls often and for so long that every constant of the source has passed. */
async function pollForHours(): Promise<{ changes: Change[]; behind: boolean }> {
  let last = await poll();
  for (let hour = 0; hour < 5; hour += 1) {
    nowMs += HOUR_MS;
    const { changes, behind } = await poll();
    last = { changes: [...last.changes, ...changes], behind };
  }
  return last;
}

async function begin(): Promise<pg.PoolClient> {
  const client = await region.primary.connect();
  transactions.push(client);
  await client.query('BEGIN');
  return client;
}

const ids = (changes: Change[]) => changes.map((change) => ('id' in change ? change.id : change.entity));
const insertKeys = (count: number) =>
  Promise.all(Array.from({ length: count }, () => insertKey(region.primary)));

/** Each row leaves a version unused before its own. */
async function insertWithGaps(prefix: string, count: number): Promise<void> {
  const { organizationId } = await insertKey(region.primary);
  await region.primary.query(
    `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, version)
     SELECT $1 || n, $2, 'test', 'none', '{}', 'user-1', nextval('version_seq') FROM generate_series(1, $3) AS n`,
    [prefix, organizationId, count],
  );
}

it('reports a change that commits hours after its version, with subtransactions, while many others commit', async () => {
  const [late, ...others] = await insertKeys(51);
  await follow();
  const open = await begin();
  // More than the 64 subtransactions of which the primary keeps the ids in shared memory.
  for (let n = 0; n < 100; n += 1) {
    await open.query(`SAVEPOINT s${n}`);
    await open.query(REVOKE, [late?.id]);
  }
  const reported: string[] = [];
  for (const other of others) {
    await revokeKey(region.primary, other.id);
    const { changes, behind } = await poll();
    expect(behind).toBe(false);
    reported.push(...ids(changes));
    nowMs += HOUR_MS;
  }
  expect(reported, 'each once').toEqual(others.map(({ id }) => id));
  expect(await pollForHours()).toEqual({ changes: [], behind: false });
  await open.query('COMMIT');
  const { changes, behind } = await pollForHours();
  expect([ids(changes), behind]).toEqual([[late?.id], false]);
});

it('reports a change of a transaction with a higher id and a lower version than the newest visible change', async () => {
  const [late, early] = (await insertKeys(2)) as [IssuedKey, IssuedKey];
  await follow();
  const lower = await begin();
  await lower.query('SELECT pg_current_xact_id()');
  const higher = await begin();
  await higher.query(REVOKE, [late.id]);
  await lower.query(REVOKE, [early.id]);
  await lower.query('COMMIT');
  expect(ids((await pollForHours()).changes)).toEqual([early.id]);
  await higher.query('COMMIT');
  expect(ids((await poll()).changes)).toEqual([late.id]);
});

it('reports a row that was not written yet when a higher version became visible', async () => {
  const early = await insertKey(region.primary);
  const client = await begin();
  await client.query('SELECT pg_advisory_lock(7)');
  await region.primary.query(
    `CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN PERFORM pg_advisory_lock_shared(7); PERFORM pg_advisory_unlock_shared(7); RETURN NEW; END $$;
     CREATE TRIGGER pause_after_version BEFORE INSERT ON api_keys FOR EACH ROW EXECUTE FUNCTION pause()`,
  );
  try {
    await follow();
    const lower = await begin();
    await lower.query('SELECT pg_current_xact_id()');
    const { id } = newCredential();
    const higher = await begin();
    const inserted = higher.query(
      `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, version)
       VALUES ($1, $2, 'test', 'none', '{}', 'user-1', 0)`,
      [id, early.organizationId],
    );
    const waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'";
    await expect.poll(async () => (await region.primary.query(waiting)).rowCount).toBe(1);
    await lower.query(REVOKE, [early.id]);
    await lower.query('COMMIT');
    expect(ids((await pollForHours()).changes)).toEqual([early.id]);
    await client.query('SELECT pg_advisory_unlock(7)');
    await inserted;
    await higher.query('COMMIT');
    expect(ids((await poll()).changes)).toEqual([id]);
  } finally {
    await client.query('SELECT pg_advisory_unlock_all()');
    await region.primary.query('DROP TRIGGER pause_after_version ON api_keys; DROP FUNCTION pause()');
  }
});

it('reports a change of a prepared transaction', async () => {
  const [late, early] = (await insertKeys(2)) as [IssuedKey, IssuedKey];
  await follow();
  const open = await begin();
  await open.query(REVOKE, [late.id]);
  await open.query("PREPARE TRANSACTION 'late'");
  try {
    await revokeKey(region.primary, early.id);
    expect(ids((await pollForHours()).changes)).toEqual([early.id]);
  } finally {
    await region.primary.query("COMMIT PREPARED 'late'");
  }
  expect(ids((await poll()).changes)).toEqual([late.id]);
});

it('stays complete, and reports each change once, while thousands of versions are rolled back', async () => {
  const [key, ...others] = (await insertKeys(21)) as [IssuedKey, ...IssuedKey[]];
  await follow();
  const open = await begin();
  await open.query(REVOKE, [key.id]);
  const reported: string[] = [];
  for (const other of others) {
    // Every insert gets a version, and then the statement fails.
    const undone = region.primary.query(
      `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, version)
       SELECT 'undone-' || least(n, 499), $1, 'test', 'none', '{}', 'user-1', 0 FROM generate_series(1, 500) AS n`,
      [other.organizationId],
    );
    await expect(undone).rejects.toThrow('duplicate key');
    await revokeKey(region.primary, other.id);
    const { changes, behind } = await poll();
    expect(behind).toBe(false);
    reported.push(...ids(changes));
  }
  expect(reported).toEqual(others.map(({ id }) => id));
  await open.query('ROLLBACK');
  expect(await pollForHours()).toEqual({ changes: [], behind: false });
});

it('is behind until the last transaction has ended that was open at its start, and then drops every cached entry', async () => {
  const [late, early] = (await insertKeys(2)) as [IssuedKey, IssuedKey];
  const open = await begin();
  await open.query(REVOKE, [late.id]);
  await revokeKey(region.primary, early.id);
  await connect();
  await region.replicated();
  expect((await source.readBacklog()).changes).toEqual([]);
  expect(await pollForHours()).toEqual({ changes: [], behind: true });
  const after = await insertKey(region.primary);
  const { changes, behind } = await poll();
  expect([ids(changes), behind], 'later changes are not delayed').toEqual([[after.id], true]);
  await open.query('COMMIT');
  expect(await poll()).toEqual({ changes: [everything], behind: false });
});

it('is behind, and not without a bound, while an open transaction keeps too many versions possible', async () => {
  const late = await insertKey(region.primary);
  await follow();
  const open = await begin();
  await open.query(REVOKE, [late.id]);
  await insertWithGaps('many-', 5_000);
  const flood = await poll();
  expect([new Set(ids(flood.changes)).size, flood.changes.length, flood.behind]).toEqual([
    5_001,
    5_001,
    true,
  ]);
  expect(await pollForHours()).toEqual({ changes: [], behind: true });
  await open.query('COMMIT');
  expect(await poll()).toEqual({ changes: [everything], behind: false });
  expect(await poll()).toEqual({ changes: [], behind: false });
});

it('starts again on a standby that lags behind the last read', async () => {
  const [late, early] = (await insertKeys(2)) as [IssuedKey, IssuedKey];
  await source.take(await FeedConnection.open(region.primaryUrl, OPTIONS, LISTENERS));
  await source.readBacklog();
  expect((await poll()).behind).toBe(false);
  const open = await begin();
  await open.query(REVOKE, [late.id]);
  await revokeKey(region.primary, early.id);
  await region.replicated();
  await region.standby.query('SELECT pg_wal_replay_pause()');
  try {
    await open.query('COMMIT');
    expect(new Set(ids((await source.read()).changes))).toEqual(new Set([early.id, late.id]));
    source.close();
    // The highest version is the same on both; only the position in the WAL shows the lag.
    await source.take(await FeedConnection.open(region.replicaUrl, OPTIONS, LISTENERS));
    expect((await source.read()).changes).toEqual([everything]);
    expect(await source.read()).toMatchObject({ changes: [], behind: true });
  } finally {
    await region.standby.query('SELECT pg_wal_replay_resume()');
  }
  expect(await poll()).toEqual({ changes: [everything], behind: false });
});

it('keeps its position when it connects again', async () => {
  const [late, early] = (await insertKeys(2)) as [IssuedKey, IssuedKey];
  await follow();
  const open = await begin();
  await open.query(REVOKE, [late.id]);
  await revokeKey(region.primary, early.id);
  expect(ids((await poll()).changes)).toEqual([early.id]);
  source.close();
  await open.query('COMMIT');
  await connect();
  const { changes, behind } = await poll();
  expect([ids(changes), behind]).toEqual([[late.id], false]);
});

it('lets the age of the feed grow while it is behind', async () => {
  const pods: Pods = await startPods(1, region.replicaUrl);
  try {
    const [pod] = pods.all;
    if (pod === undefined) throw new Error('no pod');
    const age = () => metric(pod, 'iam_change_feed_age_seconds');
    await expect.poll(age, { timeout: 5_000 }).toBeLessThan(1);
    const late = await insertKey(region.primary);
    const open = await begin();
    await open.query(REVOKE, [late.id]);
    await insertWithGaps('more-', 3_000);
    await expect.poll(age, { timeout: 10_000 }).toBeGreaterThan(2);
    expect(await metric(pod, 'iam_change_feed_connected')).toBe(1);
    await open.query('COMMIT');
    await expect.poll(age, { timeout: 5_000 }).toBeLessThan(1);
    await expect.poll(() => pods.outcomes(late.authorization), { timeout: 5_000 }).toEqual(['401 0xD38358']);
  } finally {
    await pods.stop();
  }
});

it('refuses a logical replica, whose transactions are not those of the primary', async () => {
  await region.primary.query('CREATE DATABASE logical_replica');
  const database = (url: string) => new URL('/logical_replica', url).href;
  await migrate(database(region.superuserUrl), 'region');
  const wrong = new PollSource(database(region.primaryUrl), OPTIONS, () => nowMs);
  try {
    await expect(wrong.connect(LISTENERS.onNotify, LISTENERS.onDisconnect)).rejects.toThrow(
      'FEED_MODE=poll needs a physical standby of the primary',
    );
  } finally {
    wrong.close();
  }
});
