import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { CONTROL_PLANE_LOGIN, setLoginPassword } from '../../../src/database/logins.ts';
import { migrate } from '../../../src/database/migrate.ts';
import { startTestControlPlane, type TestControlPlane } from '../../support/control-plane.ts';
import { type OwnRegion, startOwnRegion } from '../../support/own-region.ts';
import { type Pods, startPods } from '../../support/pods.ts';
import { type SavedPostgres, startSavedPostgres } from '../../support/servers/saved-postgres.ts';

/** Replication counts as stopped after 15 s. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const LONG = { interval: 50, timeout: 60_000 };
const PASSWORD = 'primary-behind-test-password';

let server: SavedPostgres;
let primary: pg.Pool;
let controlPlane: TestControlPlane;
let region: OwnRegion;
let pods: Pods;

function startControlPlane(): Promise<TestControlPlane> {
  const controlPlaneUrl = Object.assign(new URL(server.url), {
    username: CONTROL_PLANE_LOGIN.name,
    password: PASSWORD,
  }).href;
  return startTestControlPlane({}, { pool: primary, url: server.url, controlPlaneUrl });
}

beforeAll(async () => {
  server = await startSavedPostgres('primary', PASSWORD);
  await migrate(server.url, 'primary');
  await setLoginPassword(server.url, CONTROL_PLANE_LOGIN, PASSWORD);
  primary = new pg.Pool({ connectionString: server.url, max: 2 });
  primary.on('error', () => {});
  primary.on('connect', (client) => void client.on('error', () => {}));
  controlPlane = await startControlPlane();
  region = await startOwnRegion(server.url);
  pods = await startPods(1, region.replicaUrl);
});
afterAll(async () => {
  await pods?.stop();
  await controlPlane?.close();
  await primary?.end();
  await region?.close();
  await server?.close();
});

const errors = (lines: readonly string[] | undefined, start: RegExp): string[] =>
  (lines ?? [])
    .map((line) => JSON.parse(line))
    .filter((line) => line['log.level'] === 'error' && start.test(line.message))
    .map(({ message }) => message);
const beats = async () => Number((await region.pool.query('SELECT counter FROM heartbeat')).rows[0].counter);

it('a primary without the last 100 MB: pods name it as the cause, and the control plane names the slot', async () => {
  await server.save();
  await expect
    .poll(
      () =>
        primary
          .query(
            "SELECT pg_logical_emit_message(false, 'test', repeat(' ', 1048576)) FROM generate_series(1, 100)",
          )
          .then(
            () => true,
            () => false,
          ),
      LONG,
    )
    .toBe(true);
  const before = await beats();
  // The region has confirmed all that comes before the last of these.
  await expect.poll(beats, LONG).toBeGreaterThan(before + 3);
  await controlPlane.close();
  await server.stop();
  await server.restoreSaved();
  controlPlane = await startControlPlane();

  // On a slow machine, an earlier line is about the primary that is not up yet.
  const newestPodLine = () => errors(pods.all[0]?.logLines, /^no heartbeat arrives/).at(-1);
  await expect
    .poll(newestPodLine, LONG)
    .toMatch(/may be an older copy or lack changes that the region has: iam region status/);
  await expect
    .poll(() => errors(controlPlane.logLines, /receive nothing/), LONG)
    .toEqual([expect.stringMatching(/if it lasts longer than a minute, run "iam region resync"/)]);

  // As long again as the region has applied: it receives the heartbeats that follow.
  await primary.query(
    "SELECT pg_logical_emit_message(false, 'test', repeat(' ', 1048576)) FROM generate_series(1, 130)",
  );
  await expect
    .poll(() => controlPlane.logLines.some((line) => line.includes('regions receive again')), LONG)
    .toBe(true);
});
