import { afterAll, beforeAll, expect, it } from 'vitest';
import { report } from '../../../support/figures.ts';
import { type IssuedKey, insertKey, projectRoles, revokeKey } from '../../../support/keys.ts';
import { metric, type Pods, startPods } from '../../../support/pods.ts';
import { projectContext } from '../../../support/regional.ts';
import { putRole } from '../../../support/roles.ts';
import { startTestRedis, type TestRedis } from '../../../support/servers/redis.ts';
import { type StandbyRegion, startStandbyRegion } from '../../../support/standby-region.ts';

/** A region on a physical standby: read-only, so that the change feed has to poll. */
const REVOKED = '401 0xD38358';

let region: StandbyRegion;
let redis: TestRedis;
let pods: Pods;

beforeAll(async () => {
  [region, redis] = await Promise.all([startStandbyRegion(), startTestRedis()]);
  // So late that nothing but the feed itself can drop a key.
  pods = await startPods(2, region.replicaUrl, redis.url, { REVALIDATE_AFTER_MS: '60000' });
});
afterAll(async () => {
  await pods?.stop();
  await redis?.stop();
  await region?.close();
});

/** A key that both pods have in memory. */
async function warmKey(fields: Parameters<typeof insertKey>[1] = {}): Promise<IssuedKey> {
  const key = await insertKey(region.primary, fields);
  await region.replicated();
  await both('200', key);
  return key;
}

async function both(expected: string, key: IssuedKey): Promise<void> {
  await expect
    .poll(() => pods.outcomes(key.authorization), { interval: 5, timeout: 5_000 })
    .toEqual([expected, expected]);
}

it('detects a standby and follows it', async () => {
  for (const pod of pods.all) expect(await metric(pod, 'iam_change_feed_connected')).toBe(1);
  await expect(region.standby.query('LISTEN iam_changes')).rejects.toThrow('during recovery');
});

it('refuses a revoked key within the poll interval plus the replication delay', async () => {
  const delaysMs: number[] = [];
  for (let round = 0; round < 10; round += 1) {
    const key = await warmKey();
    await revokeKey(region.primary, key.id);
    const committedAtMs = performance.now();
    await both(REVOKED, key);
    delaysMs.push(performance.now() - committedAtMs);
  }
  report('physical standby: revocation, commit to refusal on 2 pods', delaysMs);
});

it('applies the deletion of a role on every pod', async () => {
  const key = await insertKey(region.primary, {
    roleAssignments: projectRoles('elasticsearch', 'p1', ['reader']),
  });
  await putRole(region.primary, key.organizationId, 'reader', { cluster: ['monitor'] });
  await region.replicated();
  const ask = () =>
    pods.outcomes(key.authorization, { contexts: [projectContext('p1', key.organizationId)] });
  await expect.poll(ask, { timeout: 5_000 }).toEqual(['200', '200']);
  await region.primary.query('UPDATE roles SET deleted_at = clock_timestamp() WHERE organization_id = $1', [
    key.organizationId,
  ]);
  await expect.poll(ask, { timeout: 5_000 }).toEqual(['403 0x93B121', '403 0x93B121']);
});

it('applies a revocation that gets its version first and commits last, also on a pod that starts in between', async () => {
  const [late, early] = [await warmKey(), await warmKey()];
  const transaction = await region.primary.connect();
  try {
    await transaction.query('BEGIN');
    await transaction.query('UPDATE api_keys SET revoked_at = clock_timestamp() WHERE id = $1', [late.id]);
    await revokeKey(region.primary, early.id);
    await both(REVOKED, early);
    await both('200', late);
    await pods.restart();
    await both('200', late);
    await transaction.query('COMMIT');
    await both(REVOKED, late);
  } finally {
    transaction.release();
  }
});

it('refuses a key that was revoked while every pod was down on the first request after the restart', async () => {
  const key = await warmKey();
  await pods.stop();
  await revokeKey(region.primary, key.id);
  await region.replicated();
  await pods.restart();
  expect(await pods.outcomes(key.authorization)).toEqual([REVOKED, REVOKED]);
});

it('shows in the metrics that a standby has stopped replaying; authentication continues', async () => {
  const key = await warmKey();
  const [pod] = pods.all;
  if (pod === undefined) throw new Error('no pod');
  await region.primary.query('UPDATE heartbeat SET beat_at = clock_timestamp()');
  await region.standby.query('SELECT pg_wal_replay_pause()');
  await expect.poll(() => metric(pod, 'iam_replication_lag_seconds'), { timeout: 10_000 }).toBeGreaterThan(2);
  await both('200', key);
  await region.standby.query('SELECT pg_wal_replay_resume()');
});
