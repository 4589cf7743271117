import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hashSecret } from '../../../../src/credential/hash.ts';
import { subscribeRegion } from '../../../../src/database/subscription.ts';
import { startControlPlaneOf } from '../../../support/control-plane.ts';
import { createDatabases, type TestDatabases } from '../../../support/databases.ts';
import {
  authorizationOf,
  type IssuedKey,
  insertKey,
  newCredential,
  projectRoles,
  revokeKey,
  TEST_HASH_PARAMETERS,
} from '../../../support/keys.ts';
import { metric, type Pods, startPods } from '../../../support/pods.ts';
import { projectContext, startUnreadyRegional } from '../../../support/regional.ts';
import { putRole } from '../../../support/roles.ts';
import { startTestRedis, type TestRedis } from '../../../support/servers/redis.ts';
import { startTcpProxy, type TcpProxy } from '../../../support/servers/tcp-proxy.ts';
import { unsubscribeRegion } from '../../../support/unsubscribe-region.ts';

const REVALIDATE_AFTER_MS = 2_000;
const UNKNOWN = '401 0x28D520';
const REVOKED = '401 0xD38358';

let databases: TestDatabases;
let redis: TestRedis;
let proxy: TcpProxy;
let feedUrl: string;
let pods: Pods;

beforeAll(async () => {
  [databases, redis] = await Promise.all([createDatabases(), startTestRedis()]);
  const url = new URL(databases.replicaUrl);
  proxy = await startTcpProxy({ targetPort: Number(url.port) });
  url.port = String(proxy.port);
  feedUrl = url.href;
});
afterEach(async () => {
  await proxy.restore();
  await pods.stop();
});
afterAll(async () => {
  await redis?.stop();
  await proxy?.close();
  await databases?.close();
});

async function startWith(settings: Record<string, string>): Promise<void> {
  pods = await startPods(2, databases.replicaUrl, redis.url, {
    CHANGE_FEED_DATABASE_URL: feedUrl,
    ...settings,
  });
}

/** A key that both pods have in memory. */
async function warmKey(): Promise<IssuedKey> {
  const key = await insertKey(databases.primary);
  await databases.replicated();
  for (let times = 0; times < 2; times += 1)
    expect(await pods.outcomes(key.authorization)).toEqual(['200', '200']);
  return key;
}

/** Asks until both pods refuse; the milliseconds that took. */
async function refusedAfterMs(key: IssuedKey): Promise<number> {
  const begunAtMs = performance.now();
  await expect
    .poll(() => pods.outcomes(key.authorization), { interval: 20, timeout: 10_000 })
    .toEqual([REVOKED, REVOKED]);
  return performance.now() - begunAtMs;
}

async function feedsConnected(value: 0 | 1): Promise<void> {
  for (const pod of pods.all) {
    await expect.poll(() => metric(pod, 'iam_change_feed_connected'), { timeout: 10_000 }).toBe(value);
  }
}

describe('a key that is revoked while the change feed is', () => {
  beforeEach(() => startWith({ REVALIDATE_AFTER_MS: String(REVALIDATE_AFTER_MS) }));

  const faults: [string, () => unknown][] = [
    ['is cut off', () => proxy.cut()],
    ['is silent behind a firewall', () => proxy.blackhole()],
    ['never receives a response', () => proxy.halfOpen('toClient')],
    ['is never heard', () => proxy.halfOpen('toServer')],
  ];
  it.each(faults)('%s is refused within REVALIDATE_AFTER plus a second', async (name, breakIt) => {
    const [key, untouched] = [await warmKey(), await warmKey()];
    await breakIt();
    await revokeKey(databases.primary, key.id);
    const delayMs = await refusedAfterMs(key);
    console.log(`[figure] feed ${name}: revoked key refused on 2 pods after ${delayMs.toFixed(0)} ms`);
    expect(delayMs).toBeLessThan(REVALIDATE_AFTER_MS + 1_000);
    expect(await pods.outcomes(untouched.authorization), 'others go on').toEqual(['200', '200']);

    // And back: what is missed in between is read before the cache is trusted again.
    const later = await warmKey();
    await revokeKey(databases.primary, later.id);
    await proxy.restore();
    await feedsConnected(1);
    expect(await refusedAfterMs(later)).toBeLessThan(REVALIDATE_AFTER_MS + 1_000);
  });
});

describe('while the change feed is cut off', () => {
  beforeEach(() => startWith({ REVALIDATE_AFTER_MS: String(REVALIDATE_AFTER_MS) }));

  it('applies changes of roles, rotations and new keys within REVALIDATE_AFTER plus a second', async () => {
    const key = await insertKey(databases.primary, {
      roleAssignments: projectRoles('elasticsearch', 'p1', ['reader']),
    });
    const define = (cluster: string) =>
      putRole(databases.primary, key.organizationId, 'reader', { cluster: [cluster] });
    await define('monitor');
    const contexts = [projectContext('p1', key.organizationId)];
    const cluster = async () =>
      (await pods.authenticate(key.authorization, { contexts })).map(
        ({ body }) => body.contexts?.[0].role_descriptors.reader?.cluster[0],
      );
    await expect.poll(cluster, { timeout: 5_000 }).toEqual(['monitor', 'monitor']);
    const rotated = await warmKey();
    const stranger = newCredential();
    expect(await pods.outcomes(authorizationOf(stranger))).toEqual([UNKNOWN, UNKNOWN]);

    await proxy.cut();
    await feedsConnected(0);
    await define('manage');
    await databases.primary.query('UPDATE api_keys SET secret_hash = $2 WHERE id = $1', [
      rotated.id,
      await hashSecret(newCredential().secret, TEST_HASH_PARAMETERS),
    ]);
    const created = await insertKey(databases.primary);
    await databases.primary.query('UPDATE api_keys SET id = $2 WHERE id = $1', [created.id, stranger.id]);
    const arrived = authorizationOf({ ...stranger, secret: created.secret });

    const timeout = REVALIDATE_AFTER_MS + 1_000;
    await Promise.all([
      expect.poll(cluster, { timeout }).toEqual(['manage', 'manage']),
      expect.poll(() => pods.outcomes(rotated.authorization), { timeout }).toEqual([UNKNOWN, UNKNOWN]),
      expect.poll(() => pods.outcomes(arrived), { timeout }).toEqual(['200', '200']),
    ]);
  });
});

describe('a feed that reconnects after its last change was pruned', () => {
  // So late that nothing but the feed itself can drop the key.
  beforeEach(() => startWith({ REVALIDATE_AFTER_MS: '60000' }));

  it('drops every cached key', async () => {
    const key = await warmKey();
    await proxy.cut();
    await feedsConnected(0);
    await revokeKey(databases.primary, key.id);
    await databases.replicated();
    await databases.region.query('DELETE FROM changes');
    expect(await pods.outcomes(key.authorization), 'not noticed yet').toEqual(['200', '200']);
    await proxy.restore();
    await refusedAfterMs(key);
  });
});

describe('a replica that is truncated and copied again', () => {
  beforeEach(() => startWith({ REVALIDATE_AFTER_MS: '60000' }));

  it('is followed by every pod, including revocations during the copy', async () => {
    const [revoked, kept] = [await warmKey(), await warmKey()];
    const { rows } = await databases.region.query<{ subname: string }>(
      'SELECT subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())',
    );
    const name = rows[0]?.subname ?? '';
    await unsubscribeRegion(databases.regionUrl, name);
    await revokeKey(databases.primary, revoked.id);
    await databases.region.query('TRUNCATE api_keys, roles, heartbeat');
    await subscribeRegion(databases.regionUrl, databases.primaryUrl, name);
    await databases.replicated();
    // The region compares the rows of its new subscription with the digests of a control plane.
    const controlPlane = await startControlPlaneOf(databases);
    try {
      await expect.poll(() => pods.outcomes(kept.authorization), { timeout: 20_000 }).toEqual(['200', '200']);
      await expect
        .poll(() => pods.outcomes(revoked.authorization), { timeout: 10_000 })
        .toEqual([REVOKED, REVOKED]);
      await expect
        .poll(
          async () =>
            (await databases.region.query("SELECT FROM compared_buckets WHERE state <> 'matching'")).rowCount,
        )
        .toBe(0);
    } finally {
      await controlPlane.close();
    }
  }, 60_000);
});

describe('a change feed that connects but may not read', () => {
  beforeEach(() => startWith({}));

  it('retries more and more slowly, with one log line for the outage and one for its end', async () => {
    const [pod] = pods.all as [Pods['all'][number]];
    const broken = async () => (await metric(pod, 'iam_change_feed_events_total{event="broken"}')) ?? 0;
    const lines = (text: string) => pod.logLines.filter((line) => line.includes(text));
    await databases.region.query('REVOKE SELECT ON changes FROM iam_regional');
    try {
      await expect.poll(broken, { timeout: 10_000 }).toBeGreaterThan(0);
      const begun = performance.now();
      const before = await broken();
      await expect.poll(broken, { timeout: 20_000 }).toBeGreaterThanOrEqual(before + 6);
      // 50, 100, 200, 400 and 800 ms lie between six failures.
      expect(performance.now() - begun).toBeGreaterThan(1_000);
      expect(lines('the change feed failed')).toHaveLength(1);
      const late = await startUnreadyRegional(databases.replicaUrl);
      const readiness = async () => (await (await fetch(`${late.managementUrl}/readyz`)).json()) as object;
      await expect.poll(readiness, { timeout: 10_000 }).toMatchObject({
        status: 'unready',
        obstacles: expect.arrayContaining([expect.stringContaining('permission denied for table')]),
      });
      await late.close();
    } finally {
      await databases.region.query('GRANT SELECT ON changes TO iam_regional');
    }
    await expect.poll(() => lines('the change feed works again').length, { timeout: 10_000 }).toBe(1);
  });
});
