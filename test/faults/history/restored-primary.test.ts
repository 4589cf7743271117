import pg from 'pg';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { CONTROL_PLANE_LOGIN, setLoginPassword } from '../../../src/database/logins.ts';
import { migrate } from '../../../src/database/migrate.ts';
import {
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../support/control-plane.ts';
import { type IssuedKey, revokeKey, rotateKey } from '../../support/keys.ts';
import { insertKeys } from '../../support/many-keys.ts';
import { type OwnRegion, startOwnRegion } from '../../support/own-region.ts';
import { type Pods, startPods } from '../../support/pods.ts';
import { startTestRedis, type TestRedis } from '../../support/servers/redis.ts';
import { type SavedPostgres, startSavedPostgres } from '../../support/servers/saved-postgres.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const PASSWORD = 'restored-primary-test-password';
const FORWARDING_SECRETS = 'restored-primary-forwarding-secret';
const KEYS = 1_000;
const EACH = 100;
const REVOKED = '401 0xD38358';
const UNKNOWN = '401 0x28D520';
/** Of replication: until a new secret arrives, the region knows only the former one. */
const ORDINARY_LAG_MS = 1_000;
const LONG = { interval: 50, timeout: 60_000 };

interface Key {
  id: string;
  authorization: string;
}

let server: SavedPostgres;
let primary: pg.Pool;
let controlPlane: TestControlPlane;
let redis: TestRedis;
let region: OwnRegion;
let pods: Pods;
let owner: IssuedKey;

async function startControlPlane(port = '0'): Promise<TestControlPlane> {
  return startTestControlPlane(
    { FORWARDING_SECRETS, CONTROL_PLANE_PORT: port },
    {
      pool: primary,
      url: server.url,
      controlPlaneUrl: Object.assign(new URL(server.url), {
        username: CONTROL_PLANE_LOGIN.name,
        password: PASSWORD,
      }).href,
    },
  );
}

beforeEach(async () => {
  [server, redis] = await Promise.all([startSavedPostgres('primary', PASSWORD), startTestRedis()]);
  await migrate(server.url, 'primary');
  await setLoginPassword(server.url, CONTROL_PLANE_LOGIN, PASSWORD);
  primary = new pg.Pool({ connectionString: server.url, max: 4 });
  primary.on('error', () => {});
  primary.on('connect', (client) => void client.on('error', () => {}));
  controlPlane = await startControlPlane();
  region = await startOwnRegion(server.url);
  owner = await newOrganization(primary);
  pods = await startPods(2, region.replicaUrl, redis.url, {
    CONTROL_PLANE_URL: controlPlane.url,
    FORWARDING_SECRETS,
  });
});
afterEach(async () => {
  await pods?.stop();
  await controlPlane?.close();
  await primary?.end();
  await region?.close();
  await server?.close();
  await redis?.stop();
});

/** A new secret for each key. */
const rotate = (keys: readonly Key[]) => Promise.all(keys.map(({ id }) => rotateKey(primary, id)));

const rowsOf = async (pool: pg.Pool) =>
  (await pool.query('SELECT id, version, revoked_at, secret_hash FROM api_keys ORDER BY id')).rows;

async function revokeByApi(keys: readonly Key[]): Promise<void> {
  for (const { id } of keys)
    await expect
      .poll(
        async () =>
          (await callApi(controlPlane, 'DELETE', `/api/v1/users/auth/keys/${id}`, owner.authorization))
            .status,
        LONG,
      )
      .toBe(200);
}

/** Lets the region receive again when the next heartbeat of the primary has the counter that the region expects. */
async function connectAtSameCounter(): Promise<void> {
  const { rows } = await region.pool.query('SELECT counter::int FROM known_heartbeat');
  await expect
    .poll(async () => (await primary.query('SELECT counter::int FROM heartbeat')).rows[0].counter, LONG)
    .toBeGreaterThanOrEqual(rows[0].counter);
  await region.pool.query(`ALTER SUBSCRIPTION ${region.name} ENABLE`);
}

it.each([
  ['control planes that know the lost heartbeats', false],
  ['control planes that start with the copy', true],
])(
  'a primary restored from an older copy gets a new epoch, and regions follow it: %s',
  async (_, isRestarted) => {
    const keys = await insertKeys(primary, KEYS);
    await primary.query('UPDATE api_keys SET organization_id = $1', [owner.organizationId]);
    const part = (n: number) => keys.slice(n * EACH, (n + 1) * EACH);
    const [lostRevocations, lostRotations, laterRevoked, laterRotated, untouched] = [0, 1, 2, 3, 4].map(
      part,
    ) as [Key[], Key[], Key[], Key[], Key[]];
    await expect.poll(() => pods.outcomesOf(keys.slice(0, 5 * EACH)), LONG).toEqual(new Set(['200']));

    await server.save();
    await expect
      .poll(
        () =>
          revokeKey(primary, lostRevocations[0]?.id ?? '').then(
            () => true,
            () => false,
          ),
        LONG,
      )
      .toBe(true);
    for (const { id } of lostRevocations) await revokeKey(primary, id);
    const lostSecrets = await rotate(lostRotations);
    // More than the primary would write in minutes: until its WAL is as long again, Postgres sends the region nothing.
    await primary.query(
      "SELECT pg_logical_emit_message(false, 'test', repeat(' ', 1048576)) FROM generate_series(1, 48)",
    );
    const lostCreated = await insertKeys(primary, EACH);
    await expect.poll(() => pods.outcomesOf(lostRevocations), LONG).toEqual(new Set([REVOKED]));
    await expect
      .poll(() => pods.outcomesOf([...lostCreated, ...lostSecrets]), LONG)
      .toEqual(new Set(['200']));

    const { port } = new URL(controlPlane.url);
    if (isRestarted) {
      await controlPlane.close();
      await region.pool.query(`ALTER SUBSCRIPTION ${region.name} DISABLE`);
    }
    await server.stop();
    await server.restoreSaved();
    const restoredAt = performance.now();
    const since = () => ((performance.now() - restoredAt) / 1_000).toFixed(1);
    if (isRestarted) controlPlane = await startControlPlane(port);

    await revokeByApi(laterRevoked);
    const renewed = await rotate(laterRotated);
    if (isRestarted) await connectAtSameCounter();
    const rotatedAt = performance.now();
    const wrong = new Set<string>();
    let notAcceptedAfter: string | undefined;
    const noteRefusals = (outcomes: Iterable<string>, kind: string) => {
      for (const outcome of outcomes)
        if (outcome.startsWith('401')) wrong.add(`${outcome} for a ${kind} key after ${since()} s`);
    };
    await expect
      .poll(async () => {
        const isLag = performance.now() - rotatedAt < ORDINARY_LAG_MS;
        noteRefusals(await pods.outcomesOf(untouched), 'untouched');
        const ofRenewed = await pods.outcomesOf(renewed);
        if (!isLag) noteRefusals(ofRenewed, 'rotated');
        const ofRevoked = await pods.outcomesOf(laterRevoked);
        if (!ofRevoked.has('200')) notAcceptedAfter ??= since();
        return ofRevoked;
      }, LONG)
      .toEqual(new Set([REVOKED]));
    const refusedAfter = since();
    await expect
      .poll(async () => {
        for (const outcome of await pods.outcomesOf(laterRevoked)) if (outcome === '200') wrong.add(outcome);
        const valid = await pods.outcomesOf([...renewed, ...untouched]);
        noteRefusals(valid, 'rotated or untouched');
        return [...valid, ...(await pods.outcomesOf(lostRevocations))];
      }, LONG)
      .toEqual(['200', '200']);
    await expect.poll(() => pods.outcomesOf(lostCreated), LONG).toEqual(new Set([UNKNOWN]));
    console.log(
      `[figure] primary restored from an older copy: keys revoked afterwards no longer accepted ${notAcceptedAfter} s, refused with 401 ${refusedAfter} s, all keys right ${since()} s after its start`,
    );
    await expect.poll(() => rowsOf(region.pool), LONG).toEqual(await rowsOf(primary));
    const listed = await region.pool.query('SELECT key_id FROM lost_revocations');
    expect(listed.rows.map(({ key_id }) => key_id).sort()).toEqual(
      lostRevocations.map(({ id }) => id).sort(),
    );
    const { rows } = await primary.query('SELECT epoch FROM heartbeat');
    expect(rows[0].epoch).toBe(2);
    expect([...wrong]).toEqual([]);
  },
);
