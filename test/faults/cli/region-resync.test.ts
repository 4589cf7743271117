import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type AddedRegion, fingerprints, startAddedRegion } from '../../support/added-region.ts';
import { iam, iamKilledAt } from '../../support/iam.ts';
import { insertKeys } from '../../support/many-keys.ts';
import { type Pods, startPods } from '../../support/pods.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const KEYS = 10_000;
const NAME = `resync_${randomBytes(4).toString('hex')}`;

let all: AddedRegion;
let pods: Pods;
beforeAll(async () => {
  all = await startAddedRegion(NAME, KEYS);
  pods = await startPods(2, all.replicaUrl);
});
afterAll(async () => {
  await pods?.stop();
  await all?.controlPlane.close();
  await all?.close();
});

const statusOfSlot = async () =>
  (await all.primary.query('SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1', [NAME]))
    .rows[0]?.wal_status;

/** Makes the primary lose the slot while the subscription is disabled. */
async function loseSlot(): Promise<void> {
  await expect
    .poll(
      async () => {
        await all.primary.query('SELECT pg_switch_wal()');
        await all.primary.query("SELECT pg_logical_emit_message(false, 'test', repeat('x', 100000))");
        await all.primary.query('CHECKPOINT');
        return statusOfSlot();
      },
      { timeout: 30_000 },
    )
    .toBe('lost');
}

/** Asks the pods for a key all the time. */
function keepAsking(authorizations: readonly string[]) {
  const outcomes = new Map<string, number>();
  let running = true;
  const asking = (async () => {
    for (let at = 0; running; at += 1) {
      for (const outcome of await pods.outcomes(authorizations[at % authorizations.length] ?? '')) {
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
      await pause(5);
    }
  })();
  return async () => {
    running = false;
    await asking;
    return Object.fromEntries(outcomes);
  };
}

it('rebuilds a region whose slot was lost, while its pods serve, and finds every change of the gap', async () => {
  const [revoked, others] = [all.keys.slice(0, 10), all.keys.slice(10)];
  for (const { authorization } of all.keys) await pods.outcomes(authorization);
  await all.region.query(`ALTER SUBSCRIPTION ${NAME} DISABLE`);
  await all.primary.query('UPDATE api_keys SET revoked_at = now() WHERE id = ANY ($1)', [
    revoked.map(({ id }) => id),
  ]);
  await all.primary.query("DELETE FROM api_keys WHERE id IN ('filler-1', 'filler-2')");
  await all.primary.query(
    "UPDATE api_keys SET expires_at = now() WHERE organization_id = 'filler' AND id LIKE 'filler-1__'",
  );
  const [created] = await insertKeys(all.primary, 1);
  await loseSlot();
  await all.region.query(`ALTER SUBSCRIPTION ${NAME} ENABLE`);

  const status = await iam(['region', 'status'], all.settings);
  expect([status.exitCode, status.stdout]).toEqual([6, expect.stringContaining('has invalidated the slot')]);
  expect(status.stdout).toMatch(/^not in step with the primary\n/);
  expect(JSON.parse((await iam(['region', 'list', '--json'], all.settings)).stdout)).toMatchObject({
    regions: [{ name: NAME, wal_status: 'lost', active: false }],
    retained_limit_bytes: 1_048_576,
  });
  const planned = await iam(['region', 'resync', '--dry-run'], all.settings);
  expect([planned.exitCode, planned.stdout]).toEqual([0, expect.stringContaining(`drop the slot ${NAME}`)]);
  expect(await statusOfSlot()).toBe('lost');

  const stopAsking = keepAsking(others.map(({ authorization }) => authorization));
  const startedMs = performance.now();
  const resynced = await iam(['region', 'resync', '--json'], all.settings);
  const seconds = (performance.now() - startedMs) / 1_000;
  const outcomes = await stopAsking();
  expect(resynced.exitCode, resynced.stderr).toBe(0);
  const { comparison } = JSON.parse(resynced.stdout);
  console.log(
    `[figure] iam region resync of a lost slot, ${KEYS} keys: ${seconds.toFixed(1)} s, ${comparison.differed} buckets differed; valid keys meanwhile: ${JSON.stringify(outcomes)}`,
  );
  expect(Object.keys(outcomes).filter((outcome) => outcome.startsWith('401'))).toEqual([]);
  expect(comparison.differed).toBeGreaterThan(10);
  for (const { authorization } of revoked) {
    expect(await pods.outcomes(authorization)).toEqual(['401 0xD38358', '401 0xD38358']);
  }
  expect(await pods.outcomes(created?.authorization ?? '')).toEqual(['200', '200']);
  await expect.poll(() => pods.outcomes(others[0]?.authorization ?? '')).toEqual(['200', '200']);
  expect(await fingerprints(all.region)).toEqual(await fingerprints(all.primary));
  expect((await iam(['region', 'status'], all.settings)).stdout).toMatch(/^in step with the primary\n/);
});

it('changes nothing in a region that is in step', async () => {
  // The server also has the subscriptions of other test files.
  const subscriptions = async () =>
    (
      await all.region.query(
        `SELECT s.oid, subslotname FROM pg_subscription AS s JOIN pg_database AS d ON d.oid = subdbid
         WHERE datname = current_database() ORDER BY s.oid`,
      )
    ).rows;
  const before = await subscriptions();
  const resynced = await iam(['region', 'resync'], all.settings);
  expect(resynced).toEqual({
    exitCode: 0,
    stdout: 'in step with the primary; nothing was changed\n',
    stderr: '',
  });
  expect(before).toHaveLength(1);
  expect(await subscriptions()).toEqual(before);
});

it('rebuilds a region that has applied far more WAL than the primary has, although the first try is killed', async () => {
  await all.region.query(`ALTER SUBSCRIPTION ${NAME} DISABLE`);
  await expect
    .poll(
      async () =>
        (await all.primary.query('SELECT active FROM pg_replication_slots WHERE slot_name = $1', [NAME]))
          .rows[0]?.active,
    )
    .toBe(false);
  // As after a restore of the primary that lost 300 MB.
  await all.region.query(
    `SELECT pg_replication_origin_advance('pg_' || oid, $1::pg_lsn + 300 * 1024 * 1024) FROM pg_subscription WHERE subname = $2`,
    [(await all.primary.query('SELECT pg_current_wal_lsn()::text AS lsn')).rows[0].lsn, NAME],
  );
  await all.region.query(`ALTER SUBSCRIPTION ${NAME} ENABLE`);
  await expect
    .poll(async () => (await iam(['region', 'list'], all.settings)).stdout, { timeout: 30_000 })
    .toContain('receives nothing');
  const status = await iam(['region', 'status'], all.settings);
  expect([status.exitCode, status.stdout]).toEqual([
    6,
    expect.stringContaining('changes that the primary does not have'),
  ]);

  // The slot is created only when the transactions that run on the primary have ended.
  const transaction = await all.primary.connect();
  await transaction.query('BEGIN');
  await transaction.query('SELECT pg_current_xact_id()');
  await iamKilledAt('creating the slot', ['region', 'resync'], all.settings);
  await transaction.query('ROLLBACK');
  transaction.release();
  const killed = await iam(['region', 'status'], all.settings);
  expect([killed.exitCode, killed.stdout]).toEqual([
    6,
    expect.stringContaining('The subscription is disabled.'),
  ]);

  const resynced = await iam(['region', 'resync'], all.settings);
  expect([resynced.exitCode, resynced.stdout + resynced.stderr]).toEqual([
    0,
    expect.stringContaining('in step with the primary'),
  ]);
  expect((await iam(['region', 'status'], all.settings)).stdout).toMatch(/^in step with the primary\n/);
  const { rows } = await all.primary.query(
    "SELECT to_jsonb(slot) -> 'failover' AS failover FROM pg_replication_slots AS slot WHERE slot_name = $1",
    [NAME],
  );
  expect(rows).toEqual([{ failover: true }]);
  const [later] = await insertKeys(all.primary, 1);
  await expect.poll(() => pods.outcomes(later?.authorization ?? '')).toEqual(['200', '200']);
});

it('repairs rows that differ', async () => {
  const id = all.keys[50]?.id;
  await all.region.query("UPDATE api_keys SET expires_at = '2020-01-01Z' WHERE id = $1", [id]);
  await expect
    .poll(
      async () => (await all.region.query("SELECT FROM compared_buckets WHERE state = 'diverged'")).rowCount,
      {
        timeout: 20_000,
      },
    )
    .toBe(1);
  const status = await iam(['region', 'status'], all.settings);
  expect([status.exitCode, status.stdout]).toEqual([
    6,
    expect.stringContaining('other rows than the primary: 1'),
  ]);
  const resynced = await iam(['region', 'resync'], all.settings);
  expect([resynced.exitCode, resynced.stdout]).toEqual([
    0,
    expect.stringContaining('in step with the primary'),
  ]);
  expect(await fingerprints(all.region)).toEqual(await fingerprints(all.primary));
});
