import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startControlPlaneOf, type TestControlPlane } from '../../../support/control-plane.ts';
import { createDatabases, type TestDatabases } from '../../../support/databases.ts';
import { insertKeys } from '../../../support/many-keys.ts';
import { metric } from '../../../support/pods.ts';
import { startRegional, type TestRegional } from '../../../support/regional.ts';
import { putRole } from '../../../support/roles.ts';

const BOUND_MS = 10_000;
/** A test waits for several comparisons, each of which takes about 4 s. */
const TEST_TIMEOUT_MS = 90_000;
const KEYS = 1_500;
const WRITES_PER_SECOND = 1_000;

vi.setConfig({ testTimeout: TEST_TIMEOUT_MS });

let databases: TestDatabases;
/** Two share the work. */
let controlPlanes: TestControlPlane[];
let pod: TestRegional;
let keys: string[];
beforeAll(async () => {
  databases = await createDatabases();
  keys = (await insertKeys(databases.primary, KEYS)).map(({ id }) => id);
  for (const name of ['reader', 'writer', 'deleted']) {
    await putRole(databases.primary, `org-of-${name}`, name, { cluster: ['monitor'] });
  }
  controlPlanes = await Promise.all([startControlPlaneOf(databases), startControlPlaneOf(databases)]);
  pod = await startRegional(databases.replicaUrl);
});
afterAll(async () => {
  await pod?.close();
  await Promise.all((controlPlanes ?? []).map((controlPlane) => controlPlane.close()));
  await databases?.close();
});

async function buckets(state: string): Promise<string[]> {
  const { rows } = await databases.region.query(
    `SELECT kind || ' ' || bucket AS name FROM compared_buckets WHERE state = $1 ORDER BY 1`,
    [state],
  );
  return rows.map(({ name }) => name);
}

const changesOfBuckets = async () =>
  (await databases.region.query("SELECT FROM changes WHERE entity IN ('buckets', 'history')")).rowCount;

const reasons = async () =>
  (await databases.region.query('SELECT reason FROM history_breaks ORDER BY seq')).rows.map(
    ({ reason }) => reason,
  );

/** Waits until every part was compared twice with digests that are published from now on. Two comparisons decide. */
async function comparedTwice(): Promise<void> {
  for (let times = 0; times < 2; times += 1) {
    const { rows } = await databases.primary.query('SELECT clock_timestamp()::text AS now');
    await expect
      .poll(
        async () =>
          (
            await databases.region.query(
              `SELECT FROM compared_parts JOIN digests USING (part)
               WHERE checked_at > $1::timestamptz AND published_at > $1::timestamptz`,
              [rows[0].now],
            )
          ).rowCount,
        { timeout: 30_000 },
      )
      .toBe(34);
  }
}

/** Statements that change a row of the region alone. $1 selects the row. */
const CHANGES = {
  deleted: ['api_keys', 'DELETE FROM api_keys WHERE id = $1'],
  'not revoked': ['api_keys', 'UPDATE api_keys SET revoked_at = NULL WHERE id = $1'],
  'not expired': ['api_keys', "UPDATE api_keys SET expires_at = 'infinity' WHERE id = $1"],
  'with more roles': [
    'api_keys',
    `UPDATE api_keys SET role_assignments = '{"organization":[{"role_id":"organization-admin"}]}' WHERE id = $1`,
  ],
  'with another secret': ['api_keys', "UPDATE api_keys SET secret_hash = secret_hash || 'x' WHERE id = $1"],
  'with a previous secret': ['api_keys', "UPDATE api_keys SET previous_secret_hash = 'x' WHERE id = $1"],
  'in another organization': ['api_keys', "UPDATE api_keys SET organization_id = 'other' WHERE id = $1"],
  'no longer internal': ['api_keys', 'UPDATE api_keys SET internal = NOT internal WHERE id = $1'],
  older: ['api_keys', 'UPDATE api_keys SET version = version - 1 WHERE id = $1'],
  'with more privileges': ['roles', `UPDATE roles SET descriptor = '{"cluster":["all"]}' WHERE name = $1`],
  'not deleted': ['roles', 'UPDATE roles SET deleted_at = NULL WHERE name = $1'],
} as const;
const ROLES: Record<string, string> = { 'with more privileges': 'writer', 'not deleted': 'deleted' };
const COLUMNS = {
  api_keys: `id, organization_id, description, secret_hash, previous_secret_hash, previous_secret_expires_at, role_assignments,
    internal, created_by, created_at, expires_at, revoked_at, revoked_by, version, changed_at`,
  roles: 'organization_id, project_type, project_id, name, descriptor, deleted_at, version, changed_at',
};

/** Makes every change of `CHANGES` to a row of its own. */
async function changeRegion(): Promise<{ changed: string[]; repair: () => Promise<void> }> {
  const changed = new Set<string>();
  const repairs: (() => Promise<unknown>)[] = [];
  for (const [index, [name, [table, statement]]] of Object.entries(CHANGES).entries()) {
    const identity = table === 'api_keys' ? 'id' : 'name';
    const value = ROLES[name] ?? keys[index];
    const { rows } = await databases.region.query(
      `SELECT bucket, to_jsonb(${table}) AS saved FROM ${table} WHERE ${identity} = $1`,
      [value],
    );
    expect(rows.length, name).toBe(1);
    changed.add(`${table === 'api_keys' ? 'keys' : 'roles'} ${rows[0].bucket}`);
    expect((await databases.region.query(statement, [value])).rowCount, name).toBe(1);
    repairs.push(async () => {
      await databases.region.query(`DELETE FROM ${table} WHERE ${identity} = $1`, [value]);
      await databases.region.query(
        `INSERT INTO ${table} (${COLUMNS[table]}) SELECT ${COLUMNS[table]} FROM jsonb_populate_record(NULL::${table}, $1)`,
        [rows[0].saved],
      );
    });
  }
  const { rows } = await databases.region.query(
    `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, version)
     VALUES ($1, 'forged', 'forged', 'x', '{}', 'thief', 1) RETURNING bucket`,
    [randomUUID()],
  );
  changed.add(`keys ${rows[0].bucket}`);
  repairs.push(() => databases.region.query("DELETE FROM api_keys WHERE organization_id = 'forged'"));
  return {
    changed: [...changed].sort(),
    repair: async () => {
      for (const repair of repairs) await repair();
    },
  };
}

it('reports the buckets of all rows that differ within the bound, and no other, until they are repaired', async () => {
  await databases.primary.query("UPDATE api_keys SET revoked_at = '2020-01-01Z' WHERE id = ANY ($1)", [
    keys.slice(0, 20),
  ]);
  await databases.primary.query("UPDATE roles SET deleted_at = now() WHERE name = 'deleted'");
  await databases.replicated();
  await comparedTwice();
  expect(await buckets('diverged')).toEqual([]);
  const before = await changesOfBuckets();

  const { changed, repair } = await changeRegion();
  await expect.poll(() => buckets('diverged'), { timeout: BOUND_MS }).toEqual(changed);
  expect(await changesOfBuckets()).toBeGreaterThan(before ?? 0);
  const divergedBuckets = () => metric(pod, 'iam_diverged_buckets');
  await expect.poll(divergedBuckets, { timeout: BOUND_MS }).toBe(changed.length);
  expect(await metric(pod, 'iam_comparison_age_seconds')).toBeLessThan(10);
  await comparedTwice();
  expect(await buckets('diverged')).toEqual(changed);
  expect(await buckets('suspected')).toEqual([]);

  await repair();
  await expect.poll(() => buckets('diverged'), { timeout: BOUND_MS }).toEqual([]);
  await expect.poll(divergedBuckets, { timeout: BOUND_MS }).toBe(0);
  await comparedTwice();
  expect(await buckets('suspected')).toEqual([]);
});

it('finds differences after the clock of the primary went back by an hour', async () => {
  // Such times stay in the table from when the clock was ahead.
  await databases.primary.query(
    "UPDATE digests SET claimed_at = clock_timestamp() + interval '1 hour', published_at = clock_timestamp() + interval '1 hour'",
  );
  const { changed, repair } = await changeRegion();
  await expect.poll(() => buckets('diverged'), { timeout: BOUND_MS }).toEqual(changed);
  await repair();
  await expect.poll(() => buckets('diverged'), { timeout: BOUND_MS }).toEqual([]);
  await comparedTwice();
});

it('reports a bucket whose difference is another one each time, while the rest of the bucket changes too', async () => {
  // Every update of the key arrives with a wrong version, so that the difference never repeats.
  await databases.region.query(`
    CREATE FUNCTION damage() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN NEW.version := NEW.version + 1000000; RETURN NEW; END $$;
    CREATE TRIGGER damage BEFORE UPDATE ON api_keys FOR EACH ROW WHEN (NEW.description = 'damaged')
      EXECUTE FUNCTION damage();
    ALTER TABLE api_keys ENABLE ALWAYS TRIGGER damage`);
  const id = keys[100];
  const writing = new AbortController();
  const writes = (async () => {
    while (!writing.signal.aborted) {
      await databases.primary.query("UPDATE api_keys SET description = 'damaged' WHERE id = $1", [id]);
      await pause(700);
    }
  })();
  const { rows } = await databases.primary.query('SELECT bucket FROM api_keys WHERE id = $1', [id]);
  try {
    await expect
      .poll(() => buckets('diverged'), { timeout: 3 * BOUND_MS })
      .toEqual([`keys ${rows[0].bucket}`]);
  } finally {
    writing.abort();
    await writes;
    await databases.region.query('DROP TRIGGER damage ON api_keys');
  }
  await databases.primary.query("UPDATE api_keys SET description = 'repaired' WHERE id = $1", [id]);
  await expect.poll(() => buckets('diverged'), { timeout: BOUND_MS }).toEqual([]);
});

it('reports nothing under many writes and a large transaction', async () => {
  const before = await changesOfBuckets();
  const breaks = await reasons();
  const endsAt = performance.now() + 20_000;
  let written = 0;
  const writer = async (own: number) => {
    for (let turn = 0; performance.now() < endsAt; turn += 1) {
      await databases.primary.query('UPDATE api_keys SET description = $2 WHERE id = $1', [
        keys[(turn * 8 + own) % KEYS],
        `${turn}`,
      ]);
      written += 1;
      const aheadMs = (turn * 8 * 1_000) / WRITES_PER_SECOND - (performance.now() - endsAt + 20_000);
      if (aheadMs > 5) await pause(aheadMs);
    }
  };
  const bulk = async () => {
    await databases.primary.query("INSERT INTO organizations (id, name) VALUES ('bulk', 'bulk')");
    await databases.primary.query(
      `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, version)
       SELECT gen_random_uuid()::text, 'bulk', 'bulk', 'x', '{}', 'user-1', 0 FROM generate_series(1, 20000)`,
    );
  };
  await Promise.all([...Array.from({ length: 8 }, (_, own) => writer(own)), bulk()]);
  await databases.replicated();
  await comparedTwice();
  expect(await buckets('diverged')).toEqual([]);
  expect(await buckets('suspected')).toEqual([]);
  // A bucket that was diverged only for a while would have left a change.
  expect(await reasons()).toEqual(breaks);
  expect(await changesOfBuckets()).toBe(before);
  expect(written).toBeGreaterThan(4 * WRITES_PER_SECOND);
});

it('neither digests nor heartbeat wait for a transaction that holds locks on rows', async () => {
  const slow = await databases.primary.connect();
  try {
    await slow.query('BEGIN');
    await slow.query("UPDATE api_keys SET description = 'locked' WHERE id = ANY ($1)", [keys.slice(0, 200)]);
    await slow.query('SELECT FROM api_keys FOR UPDATE');
    await slow.query('SELECT FROM roles FOR UPDATE');
    const { rows } = await databases.primary.query('SELECT clock_timestamp()::text AS now');
    await comparedTwice();
    // The transaction is still open, so whatever arrived since it began did not wait for it.
    const beats = async () =>
      (await databases.region.query('SELECT FROM heartbeat WHERE beat_at > $1::timestamptz', [rows[0].now]))
        .rowCount;
    await expect.poll(beats, { timeout: BOUND_MS }).toBe(1);
    expect(await buckets('diverged')).toEqual([]);
  } finally {
    await slow.query('ROLLBACK');
    slow.release();
  }
});

it('a comparison that fails does not stop replication', async () => {
  await databases.region.query('ALTER TABLE compared_parts RENAME TO hidden');
  try {
    const [organization] = [`org-${randomUUID()}`];
    await expect
      .poll(
        async () => {
          await putRole(databases.primary, organization, 'any', {});
          return (
            await databases.region.query('SELECT FROM roles WHERE organization_id = $1', [organization])
          ).rowCount;
        },
        { timeout: BOUND_MS },
      )
      .toBe(1);
    const { rows } = await databases.primary.query('SELECT max(claimed_at)::text AS at FROM digests');
    // The claims after the renaming have arrived, although their trigger failed.
    await expect
      .poll(
        async () =>
          (
            await databases.region.query('SELECT FROM digests WHERE claimed_at > $1::timestamptz', [
              rows[0].at,
            ])
          ).rowCount,
        { timeout: BOUND_MS },
      )
      .toBeGreaterThan(10);
  } finally {
    await databases.region.query('ALTER TABLE hidden RENAME TO compared_parts');
  }
  await comparedTwice();
});

it('a pod counts the keys whose revocation the primary has lost, until they are revoked again', async () => {
  const lost = () => metric(pod, 'iam_lost_revocations');
  const id = (await insertKeys(databases.primary, 1))[0]?.id;
  await databases.replicated();
  await expect.poll(lost, { timeout: BOUND_MS }).toBe(0);
  await databases.region.query('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [id]);
  await databases.primary.query("UPDATE api_keys SET description = 'later' WHERE id = $1", [id]);
  await expect.poll(lost, { timeout: BOUND_MS }).toBe(1);
  const reports = pod.logLines.filter((line) => line.includes('docs/failover.md, Repeat lost revocations'));
  expect(reports.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({ 'log.level': 'error', lost_revocations: 1 }),
  ]);
  await databases.primary.query("UPDATE api_keys SET revoked_at = now(), revoked_by = 'test' WHERE id = $1", [
    id,
  ]);
  await expect.poll(lost, { timeout: BOUND_MS }).toBe(0);
});

it('a key that has expired does not count as lost', async () => {
  const lost = () => metric(pod, 'iam_lost_revocations');
  const id = (await insertKeys(databases.primary, 1))[0]?.id;
  await databases.replicated();
  await databases.region.query('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [id]);
  await databases.primary.query("UPDATE api_keys SET expires_at = now() + interval '8 s' WHERE id = $1", [
    id,
  ]);
  await expect.poll(lost, { timeout: BOUND_MS, interval: 50 }).toBe(1);
  await expect.poll(lost, { timeout: BOUND_MS }).toBe(0);
});
