import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { startTestControlPlane, type TestControlPlane } from '../../support/control-plane.ts';
import { iam, iamOnTerminal } from '../../support/iam.ts';
import { insertKeys } from '../../support/many-keys.ts';
import { createPrimary, type TestPrimary } from '../../support/primary.ts';
import { runStatement } from '../../support/run-statement.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const KEYS = 2_000;
const REGIONAL_PASSWORD = 'regional-test-password';

let primary: TestPrimary;
let controlPlane: TestControlPlane;
let region: pg.Pool;
let name: string;
let settings: Record<string, string>;

beforeAll(async () => {
  primary = await createPrimary();
  await insertKeys(primary.pool, KEYS);
  controlPlane = await startTestControlPlane({}, primary);
});
afterAll(async () => {
  await controlPlane?.close();
  await primary?.close();
});
beforeEach(async () => {
  const server = inject('postgres').region.url;
  name = `command_${randomBytes(4).toString('hex')}`;
  await runStatement(server, `CREATE DATABASE ${name}`);
  const url = Object.assign(new URL(server), { pathname: `/${name}` }).href;
  region = new pg.Pool({ connectionString: url, max: 2 });
  settings = { MIGRATE_DATABASE_URL: url, SUBSCRIBE_TO: primary.url, SUBSCRIPTION_NAME: name };
});
afterEach(async () => {
  const command = (...args: string[]) => iam(['region', 'remove', '--yes', '--force', ...args], settings);
  if ((await command()).exitCode !== 0) await command('--primary-gone');
  await command('--region-gone');
  await region.end();
  await runStatement(inject('postgres').region.url, `DROP DATABASE ${name} WITH (FORCE)`);
});

const command = (...args: string[]) => iam(['region', ...args], settings);
const slots = async () =>
  (await primary.pool.query('SELECT active FROM pg_replication_slots WHERE slot_name = $1', [name])).rows;
const keysOfRegion = async () => (await region.query('SELECT FROM api_keys')).rowCount;

describe('iam region add', () => {
  it('shows no part of a connection string that the server does not understand', async () => {
    const primaryOfServer = 'service=iam user=u password=s3cr3t w0rd=1';
    const { exitCode, stdout, stderr } = await command('add', '--primary', primaryOfServer, '--json');
    expect([exitCode, stdout + stderr]).toEqual([2, expect.stringContaining('quote a password with spaces')]);
    expect(stdout + stderr).not.toMatch(/s3cr3t|w0rd/);
  });

  it('migrates, subscribes and waits until the region has all rows, with the progress of each table', async () => {
    const added = await command('add', '--json');
    expect([added.exitCode, JSON.parse(added.stdout)]).toEqual([
      0,
      expect.objectContaining({ subscription: name, change: 'created', complete: true, emptied: false }),
    ]);
    expect(added.stderr).toMatch(/^api_keys: ready$/m);
    expect(await keysOfRegion()).toBe(KEYS);
    const status = await command('status', '--json');
    expect(JSON.parse(status.stdout)).toMatchObject({
      region: {
        subscription: { name, enabled: true },
        worker: { running: true },
        heartbeat: { complete: true },
      },
      primary: { slot: { name, active: true, wal_status: 'reserved' } },
    });
    await expect.poll(async () => (await command('status')).exitCode, { timeout: 20_000 }).toBe(0);
    expect((await command('status')).stdout).toMatch(/^in step with the primary\n/);
  });

  it('enables a subscription that exists, and refreshes it', async () => {
    await command('add');
    await region.query(`ALTER SUBSCRIPTION ${name} DISABLE`);
    const status = await command('status');
    expect([status.exitCode, status.stdout]).toEqual([
      6,
      expect.stringContaining('The subscription is disabled.'),
    ]);
    const again = await command('add');
    expect([again.exitCode, again.stdout]).toEqual([
      0,
      expect.stringContaining(`subscription ${name} updated`),
    ]);
    const { rows } = await region.query('SELECT subenabled FROM pg_subscription WHERE subname = $1', [name]);
    expect(rows).toEqual([{ subenabled: true }]);
  });

  it('deletes no rows of a region that has a subscription', async () => {
    await command('add');
    const refused = await command('add', '--empty-first');
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('iam region remove')]);
    expect(await keysOfRegion()).toBe(KEYS);
  });

  it('waits for what the primary had at its start, also in a region that lags', async () => {
    await command('add');
    const lock = await region.connect();
    await lock.query('BEGIN');
    await lock.query('LOCK TABLE api_keys IN SHARE MODE');
    const [inserted] = await insertKeys(primary.pool, 1);
    let ended = false;
    const again = command('add').finally(() => {
      ended = true;
    });
    // Heartbeats of before the lock have arrived, and none does now.
    await expect.poll(async () => (await command('status')).stdout).toContain('not in step');
    expect(ended).toBe(false);
    await lock.query('ROLLBACK');
    lock.release();
    expect((await again).stdout).toContain('the region has all rows of the primary');
    expect(await keysOfRegion()).toBe(KEYS + 1);
    await primary.pool.query('DELETE FROM api_keys WHERE id = $1', [inserted?.id]);
  });

  it('refuses a region with rows, which a copy would fail on, and empties it only with --empty-first', async () => {
    await command('add');
    expect((await command('remove')).exitCode).toBe(0);
    expect(await keysOfRegion()).toBe(KEYS);
    const refused = await command('add');
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('--empty-first')]);
    expect(refused.stderr).toContain('Nothing was changed.');
    await region.query("UPDATE api_keys SET expires_at = '2020-01-01Z'");
    const added = await command('add', '--empty-first');
    expect([added.exitCode, added.stdout]).toEqual([0, expect.stringContaining('deleted the former rows')]);
    expect((await region.query("SELECT FROM api_keys WHERE expires_at = '2020-01-01Z'")).rowCount).toBe(0);
    expect(await keysOfRegion()).toBe(KEYS);
  });

  it('keeps the rows if the region cannot be subscribed', async () => {
    await command('add');
    await command('remove');
    await primary.pool.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [name]);
    const refused = await command('add', '--empty-first');
    expect([refused.exitCode, refused.stderr]).toEqual([
      2,
      expect.stringContaining('already has a replication slot'),
    ]);
    expect(await keysOfRegion()).toBe(KEYS);
  });
});

it('iam region add says that no control plane runs', async () => {
  const silent = await createPrimary();
  await silent.pool.query('UPDATE heartbeat SET beat_at = $1', [new Date(0)]);
  settings.SUBSCRIBE_TO = silent.url;
  const added = await command('add');
  expect([added.exitCode, added.stdout]).toEqual([6, expect.stringContaining('no control plane runs')]);
  expect((await command('status')).stdout).toContain('No control plane writes the heartbeat');
  expect((await command('remove')).exitCode).toBe(0);
  await silent.close();
});

describe('iam region list', () => {
  it('refuses a database that is not the primary', async () => {
    const refused = await command('list', '--primary', inject('postgres').primary.url);
    expect([refused.exitCode, refused.stderr]).toEqual([3, expect.stringContaining('no publication "iam"')]);
  });

  it('shows every region of the primary, and since when it is not connected', async () => {
    await command('add');
    const listed = await command('list', '--json');
    const find = (text: string) =>
      JSON.parse(text).regions.find((one: { name: string }) => one.name === name);
    expect(find(listed.stdout)).toMatchObject({
      active: true,
      address: expect.any(String),
      wal_status: 'reserved',
    });
    await region.query(`ALTER SUBSCRIPTION ${name} DISABLE`);
    await expect
      .poll(async () => find((await command('list', '--json')).stdout), { timeout: 10_000 })
      .toMatchObject({ active: false, inactive_since: expect.any(String) });
    expect((await command('list')).stdout).toContain('max_slot_wal_keep_size is -1');
  });
});

it('iam region status fails if it cannot reach the primary that it is given', async () => {
  await command('add');
  const status = await command('status', '--primary', 'host=127.0.0.1 port=1 dbname=gone');
  expect([status.exitCode, status.stdout]).toEqual([
    6,
    expect.stringContaining('The primary cannot be reached'),
  ]);
});

it('iam region status works with the logins of the services, as README.md shows it', async () => {
  await command('add');
  // Roles belong to the whole server, which test files share, so the changes are serialized.
  await runStatement(
    inject('postgres').region.url,
    `BEGIN; SELECT pg_advisory_xact_lock(1); ALTER ROLE iam_regional LOGIN PASSWORD '${REGIONAL_PASSWORD}'; COMMIT`,
  );
  const replica = new URL(settings.MIGRATE_DATABASE_URL ?? '');
  replica.username = 'iam_regional';
  replica.password = REGIONAL_PASSWORD;
  const status = (...args: string[]) =>
    iam(['region', 'status', '--database-url', replica.href, '--primary', primary.controlPlaneUrl, ...args]);
  await expect.poll(async () => (await status()).exitCode, { timeout: 20_000 }).toBe(0);
  const { stdout, stderr } = await status('--json');
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toMatchObject({
    in_step: true,
    problems: [],
    region: { subscription: { name, enabled: true }, worker: { running: true }, buckets: { diverged: 0 } },
    primary: { slot: { name, active: true } },
  });
});

describe('iam region status after the primary has lost a revocation', () => {
  const status = async () => JSON.parse((await command('status', '--json')).stdout);
  const lost = async () => (await status()).region.lost_revocations;
  let id: string;
  beforeEach(async () => {
    await command('add');
    id = (await insertKeys(primary.pool, 1))[0]?.id ?? '';
    await expect
      .poll(async () => (await region.query('SELECT FROM api_keys WHERE id = $1', [id])).rowCount)
      .toBe(1);
    expect(await lost()).toBe(0);
    await region.query('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [id]);
    await primary.pool.query("UPDATE api_keys SET description = 'later' WHERE id = $1", [id]);
    await expect.poll(lost).toBe(1);
  });
  afterEach(async () => {
    await primary.pool.query('DELETE FROM api_keys WHERE id = $1', [id]);
  });

  it('counts its key and says what to do, although the region is in step', async () => {
    await expect.poll(async () => (await status()).in_step, { timeout: 20_000 }).toBe(true);
    expect((await status()).warnings).toEqual([
      {
        message: expect.stringContaining('revocation of 1 key'),
        fix: expect.stringContaining('iam keys revoke'),
      },
    ]);
    const { stdout } = await command('status');
    expect(stdout).toMatch(
      /^in step with the primary\n- Warning: .*lost.*\n {2}Fix: .*docs\/failover\.md, Repeat lost revocations/,
    );
    expect(stdout).toMatch(/^revocations +1 lost/m);
  });

  it.each([
    ['revoked again', "UPDATE api_keys SET revoked_at = now(), revoked_by = 'test' WHERE id = $1"],
    ['deleted', 'DELETE FROM api_keys WHERE id = $1'],
  ])('does not count a key that is %s', async (_, change) => {
    await primary.pool.query(change, [id]);
    await expect.poll(lost).toBe(0);
    expect((await region.query('SELECT key_id FROM lost_revocations')).rows).toEqual([{ key_id: id }]);
    expect((await status()).warnings).toEqual([]);
  });

  it('shows the cause of a break before the differences and repairs that follow from it', async () => {
    await region.query("INSERT INTO history_breaks (reason) VALUES ('counter_backwards')");
    await region.query("INSERT INTO history_breaks (reason) SELECT 'repair' FROM generate_series(1, 5)");
    const reasons = (await status()).region.breaks.map(({ reason }: { reason: string }) => reason);
    expect([reasons[0], reasons.length]).toEqual(['counter_backwards', 5]);
  });
});

describe('iam region remove', () => {
  it('refuses the name of another subscription', async () => {
    await command('add');
    const refused = await command('remove', '--name', 'other');
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining(`is "${name}"`)]);
    expect(await slots()).toEqual([{ active: true }]);
  });

  it('says before it changes anything that the primary cannot be reached', async () => {
    await command('add');
    const planned = await command('remove', '--dry-run', '--primary', 'host=127.0.0.1 port=1 dbname=gone');
    expect([planned.exitCode, planned.stderr]).toEqual([4, expect.stringContaining('--primary-gone')]);
  });

  it('drops subscription and slot, and keeps the rows', async () => {
    await command('add');
    const planned = await command('remove', '--dry-run');
    expect([planned.exitCode, planned.stdout]).toEqual([
      0,
      expect.stringContaining('would remove subscription'),
    ]);
    expect(await slots()).toEqual([{ active: true }]);
    const removed = await command('remove');
    expect([removed.exitCode, removed.stdout]).toEqual([
      0,
      expect.stringContaining('The region keeps its rows'),
    ]);
    expect(await slots()).toEqual([]);
    expect(await keysOfRegion()).toBe(KEYS);
    expect((await command('remove')).exitCode).toBe(3);
  });

  it('asks on a terminal', async () => {
    await command('add');
    const { exitCode } = await iamOnTerminal(['region', 'remove'], settings, [[/\[y\/N\]/, 'n']]);
    expect(exitCode).toBe(2);
    expect(await slots()).toEqual([{ active: true }]);
  });

  it('drops the slot of a region that is gone, and a connected one only with --force', async () => {
    await command('add');
    const refused = await command('remove', '--region-gone');
    expect([refused.exitCode, refused.stderr]).toEqual([4, expect.stringContaining('not gone')]);
    expect((await command('remove', '--region-gone', '--force')).exitCode).toBe(0);
    expect(await slots()).toEqual([]);
    expect((await command('remove', '--region-gone')).exitCode).toBe(3);
    const status = await command('status');
    expect([status.exitCode, status.stdout]).toEqual([
      6,
      expect.stringContaining('no replication slot for the region'),
    ]);
    // The slot is gone already, which is no obstacle.
    const removed = await command('remove');
    expect([removed.exitCode, removed.stdout]).toEqual([
      0,
      expect.stringContaining('the primary had no slot'),
    ]);
  });

  it('drops the subscription of a primary that is gone, but not of one that still sends', async () => {
    await command('add');
    expect((await command('remove', '--primary-gone')).exitCode).toBe(4);
    await region.query(`ALTER SUBSCRIPTION ${name} CONNECTION 'host=127.0.0.1 port=1 dbname=gone'`);
    await expect
      .poll(async () => (await command('remove')).stderr, { timeout: 20_000 })
      .toContain('--primary-gone');
    await expect
      .poll(async () => (await command('remove', '--primary-gone')).exitCode, { timeout: 20_000 })
      .toBe(0);
    expect((await region.query('SELECT FROM pg_subscription WHERE subname = $1', [name])).rowCount).toBe(0);
    expect(await keysOfRegion()).toBe(KEYS);
  });
});

it('refuses a database that is not that of a region', async () => {
  const refused = await iam(['region', 'status'], { MIGRATE_DATABASE_URL: primary.url });
  expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('iam migrate region')]);
});
