import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresServer } from '../../../dev/postgres/server.ts';
import { iam } from '../../support/iam.ts';
import { createScratchDirectory, startTestPostgres } from '../../support/servers/postgres.ts';

/** Logins belong to a whole server, so this file starts its own servers: other files do not see its passwords. */
let directory: string;
let servers: PostgresServer[];
let primaryUrl: string;
let regionUrl: string;
const password = `it's "quoted" ${randomBytes(9).toString('base64url')}`;

beforeAll(async () => {
  directory = await createScratchDirectory('migrate');
  const [primary, region] = await Promise.all([
    startTestPostgres(join(directory, 'primary')),
    startTestPostgres(join(directory, 'region')),
  ]);
  servers = [region.server, primary.server];
  primaryUrl = primary.access.url;
  regionUrl = region.access.url;
});
afterAll(async () => {
  for (const server of servers) await server.stop('immediate');
  await rm(directory, { recursive: true, force: true });
});

function as(login: string, url: string): string {
  const other = new URL(url);
  other.username = login;
  other.password = encodeURIComponent(password);
  return other.href;
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

it('migrates a region and a primary and subscribes the region, without psql', async () => {
  const region = await iam(['migrate', 'region', '--json'], {
    MIGRATE_DATABASE_URL: regionUrl,
    IAM_REGIONAL_PASSWORD: password,
  });
  expect(region.stderr).toBe('');
  expect(JSON.parse(region.stdout)).toMatchObject({
    database: 'region',
    logins: ['iam_regional'],
    subscription: null,
  });
  const primary = await iam(['migrate', 'primary', '--json'], {
    MIGRATE_DATABASE_URL: primaryUrl,
    IAM_CONTROL_PLANE_PASSWORD: password,
    IAM_REPLICATOR_PASSWORD: password,
  });
  expect(JSON.parse(primary.stdout).logins).toEqual(['iam_control_plane', 'iam_replicator']);

  const joined = await iam(['migrate', 'region', '--database-url', regionUrl, '--json'], {
    SUBSCRIBE_TO: as('iam_replicator', primaryUrl),
    SUBSCRIPTION_NAME: 'region_test',
  });
  expect(JSON.parse(joined.stdout)).toEqual({
    database: 'region',
    warnings: [],
    applied: [],
    logins: [],
    subscription: 'region_test',
    change: 'created',
  });
  await expect
    .poll(async () => (await query(as('iam_regional', regionUrl), 'SELECT FROM roles')).length, {
      timeout: 10_000,
    })
    .toBeGreaterThan(20);
});

it('restricts each login to its own work', async () => {
  await expect(query(as('iam_regional', regionUrl), 'DELETE FROM api_keys')).rejects.toThrow(/permission/);
  await expect(query(as('iam_control_plane', primaryUrl), 'DROP TABLE api_keys')).rejects.toThrow(/owner/);
  await expect(query(as('iam_replicator', primaryUrl), 'DELETE FROM api_keys')).rejects.toThrow(/permission/);
});

it('sends the server only a SCRAM verifier, never a password', async () => {
  const [row] = (await query(
    regionUrl,
    "SELECT rolpassword FROM pg_authid WHERE rolname = 'iam_regional'",
  )) as { rolpassword: string }[];
  expect(row?.rolpassword).toMatch(/^SCRAM-SHA-256\$4096:/);
});

describe('a subscription', () => {
  const subscribe = (to: string, ...args: string[]) =>
    iam(['migrate', 'region', '--subscription-name', 'region_test', '--subscribe-to', to, ...args], {
      MIGRATE_DATABASE_URL: regionUrl,
    });
  const connection = async () => {
    const [row] = (await query(regionUrl, 'SELECT subconninfo, subenabled FROM pg_subscription')) as {
      subconninfo: string;
      subenabled: boolean;
    }[];
    return row;
  };
  /** A key=value connection string for the same server and login. */
  const asPairs = (url: string) => {
    const { hostname, port, username, pathname } = new URL(url);
    const quoted = password.replace(/['\\]/g, '\\$&');
    return `host=${hostname} port=${port} dbname=${pathname.slice(1)} user=${username} password='${quoted}'`;
  };

  it('of a region gets another connection string, and is enabled', async () => {
    await query(regionUrl, 'ALTER SUBSCRIPTION region_test DISABLE');
    const moved = asPairs(as('iam_replicator', primaryUrl));
    expect(await subscribe(moved)).toEqual({
      exitCode: 0,
      stdout:
        'the schema is up to date\nsubscription region_test updated; it receives changes from the primary\n',
      stderr: '',
    });
    expect(await connection()).toEqual({
      subconninfo: expect.stringMatching(/^host=.* keepalives_idle=4 .* tcp_user_timeout=7000/),
      subenabled: true,
    });
    await query(
      primaryUrl,
      "INSERT INTO roles (organization_id, project_type, project_id, name, descriptor, version) VALUES ('after', 'security', 'p', 'r', '{}', 0)",
    );
    await expect
      .poll(
        async () => (await query(regionUrl, "SELECT FROM roles WHERE organization_id = 'after'")).length,
        { timeout: 10_000 },
      )
      .toBe(1);
  });

  it('gets a warning if the primary notices a dead connection late, and keeps what the operator has set', async () => {
    const [before] = await query(
      primaryUrl,
      "SELECT rolconfig FROM pg_roles WHERE rolname = 'iam_replicator'",
    );
    expect(before).toEqual({ rolconfig: expect.arrayContaining(['tcp_user_timeout=7s']) });
    await query(primaryUrl, "ALTER ROLE iam_replicator SET tcp_user_timeout = '2min'");
    await iam(['migrate', 'primary'], {
      MIGRATE_DATABASE_URL: primaryUrl,
      IAM_REPLICATOR_PASSWORD: password,
    });
    const { exitCode, stdout } = await subscribe(as('iam_replicator', primaryUrl), '--check');
    expect(exitCode).toBe(0);
    expect(stdout).toContain(
      `- Warning: The primary notices a dead connection of "iam_replicator" only after wal_sender_timeout`,
    );
    expect(stdout).toContain(`Fix: On the primary: ALTER ROLE "iam_replicator" SET tcp_user_timeout = '7s';`);
    await query(primaryUrl, 'ALTER ROLE iam_replicator RESET ALL');
  });

  it.each([
    ['a wrong password', { password: 'wrong' }, /password authentication failed/],
    ['a closed port', { port: '1' }, /ECONNREFUSED/],
    ['another database', { pathname: '/template1' }, /no publication "iam"/],
    ['a login without REPLICATION', { username: 'iam_control_plane' }, /REPLICATION/],
  ])('is not changed by %s', async (_name, wrong, message) => {
    const before = await connection();
    const url = Object.assign(new URL(as('iam_replicator', primaryUrl)), wrong);
    const checked = await subscribe(url.href, '--check');
    expect([checked.exitCode, checked.stdout]).toEqual([4, expect.stringMatching(message)]);
    const { exitCode, stderr } = await subscribe(url.href);
    expect([exitCode, stderr]).toEqual([2, expect.stringMatching(message)]);
    expect(stderr).toContain('Nothing was changed.');
    expect(await connection()).toEqual(before);
  });

  it('whose slot is gone is not called healthy', async () => {
    await query(regionUrl, "UPDATE pg_subscription SET subslotname = 'gone'");
    const { exitCode, stderr } = await subscribe(as('iam_replicator', primaryUrl));
    await query(regionUrl, "UPDATE pg_subscription SET subslotname = 'region_test'");
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('no replication slot "gone"')]);
  });

  it('of another database of the same server does not count', async () => {
    await query(regionUrl, 'CREATE DATABASE second');
    const second = new URL(regionUrl);
    second.pathname = '/second';
    const settings = { MIGRATE_DATABASE_URL: second.href };
    expect((await iam(['migrate', 'region'], settings)).exitCode).toBe(0);
    const args = [
      'migrate',
      'region',
      '--subscribe-to',
      as('iam_replicator', primaryUrl),
      '--subscription-name',
    ];
    const taken = await iam([...args, 'region_test'], settings);
    expect([taken.exitCode, taken.stderr]).toEqual([
      2,
      expect.stringContaining('already has a replication slot "region_test"'),
    ]);
    expect((await iam([...args, 'region_second'], settings)).exitCode).toBe(0);
    await expect
      .poll(async () => (await query(second.href, 'SELECT FROM roles')).length, { timeout: 10_000 })
      .toBeGreaterThan(20);
    await query(second.href, 'DROP SUBSCRIPTION region_second');
  });

  it('with another name is refused, because it would apply every change twice', async () => {
    const { exitCode, stderr } = await iam(
      ['migrate', 'region', '--subscribe-to', as('iam_replicator', primaryUrl), '--subscription-name', 'eu2'],
      { MIGRATE_DATABASE_URL: regionUrl },
    );
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('--subscription-name region_test')]);
    expect(await query(regionUrl, 'SELECT subname FROM pg_subscription')).toEqual([
      { subname: 'region_test' },
    ]);
  });

  it('with a name that no slot can have is refused before any change', async () => {
    await query(regionUrl, 'CREATE DATABASE third');
    const third = new URL(regionUrl);
    third.pathname = '/third';
    const { exitCode, stderr } = await iam(
      [
        'migrate',
        'region',
        '--subscribe-to',
        as('iam_replicator', primaryUrl),
        '--subscription-name',
        'eu-west',
      ],
      { MIGRATE_DATABASE_URL: third.href },
    );
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringContaining('lower-case letters, digits and underscores'),
    ]);
    expect(await query(third.href, "SELECT FROM pg_class WHERE relname = 'api_keys'")).toEqual([]);
  });

  describe('with several hosts', () => {
    const several = (port: string) =>
      asPairs(as('iam_replicator', primaryUrl))
        .replace('host=', 'host=127.0.0.1,')
        .replace('port=', `port=${port},`);

    it('uses the one that is the primary, and keeps that choice', async () => {
      expect(await subscribe(several('1'), '--check')).toEqual({
        exitCode: 0,
        stdout: expect.stringMatching(/^the migration can succeed\n/),
        stderr: '',
      });
      expect((await subscribe(several('1'))).exitCode).toBe(0);
      expect((await connection())?.subconninfo).toContain('target_session_attrs=read-write');
    });

    it('is refused with the reason of every host, if none is a primary', async () => {
      const { exitCode, stdout } = await subscribe(several('1').replace(/port=\S+/, 'port=1,2'), '--check');
      expect([exitCode, stdout]).toEqual([
        4,
        expect.stringMatching(/No host .*127\.0\.0\.1:1: .*ECONNREFUSED.* 127\.0\.0\.1:2: .*ECONNREFUSED/),
      ]);
    });
  });

  it('that standbys could not copy is changed, also on the primary, and continues', async () => {
    await query(regionUrl, 'ALTER SUBSCRIPTION region_test DISABLE');
    await query(regionUrl, 'ALTER SUBSCRIPTION region_test SET (failover = false)');
    await query(regionUrl, 'ALTER SUBSCRIPTION region_test ENABLE');
    const failover = async () => [
      ...(await query(regionUrl, 'SELECT subfailover AS failover FROM pg_subscription')),
      ...(await query(
        primaryUrl,
        "SELECT failover FROM pg_replication_slots WHERE slot_name = 'region_test'",
      )),
    ];
    expect(await failover()).toEqual([{ failover: false }, { failover: false }]);
    expect((await subscribe(as('iam_replicator', primaryUrl))).exitCode).toBe(0);
    expect(await failover()).toEqual([{ failover: true }, { failover: true }]);
    expect((await connection())?.subenabled).toBe(true);
  });

  it('of a primary whose standby would not get everything first is reported, and not refused', async () => {
    await query(primaryUrl, "SELECT pg_create_physical_replication_slot('standby')");
    const checked = await subscribe(as('iam_replicator', primaryUrl), '--check');
    expect([checked.exitCode, checked.stdout]).toEqual([
      0,
      expect.stringContaining('Warning: synchronized_standby_slots of the primary is empty'),
    ]);
    await query(primaryUrl, "ALTER SYSTEM SET synchronized_standby_slots = 'standby'");
    await query(primaryUrl, 'SELECT pg_reload_conf()');
    await expect
      .poll(async () => (await subscribe(as('iam_replicator', primaryUrl), '--check')).stdout, {
        timeout: 20_000,
      })
      .toContain('Warning: No standby uses the slot "standby"');
    await query(primaryUrl, 'ALTER SYSTEM RESET synchronized_standby_slots');
    await query(primaryUrl, 'SELECT pg_reload_conf()');
    await query(primaryUrl, "SELECT pg_drop_replication_slot('standby')");
  });
});

it.each([
  ['primary', () => regionUrl, 'that of a region, not of a primary'],
  ['region', () => primaryUrl, 'that of a primary, not of a region'],
] as const)('refuses to migrate the other kind of database to a %s', async (kind, url, message) => {
  const checked = await iam(['migrate', kind, '--check'], { MIGRATE_DATABASE_URL: url() });
  expect([checked.exitCode, checked.stdout]).toEqual([4, expect.stringContaining(message)]);
  expect((await iam(['migrate', kind], { MIGRATE_DATABASE_URL: url() })).exitCode).toBe(2);
});

it('reports that the schema is current', async () => {
  const again = await iam(['migrate', 'primary'], { MIGRATE_DATABASE_URL: primaryUrl });
  expect(again).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(/^the schema is up to date\n- Warning: max_slot_wal_keep_size is -1/),
    stderr: '',
  });
});

it.each([
  ['no URL', {}, 2, /MIGRATE_DATABASE_URL/],
  [
    'no server on the port',
    { MIGRATE_DATABASE_URL: 'postgres://postgres@127.0.0.1:1/iam' },
    5,
    /ECONNREFUSED/,
  ],
  [
    'no such host',
    { MIGRATE_DATABASE_URL: 'postgres://postgres@no-such-host.invalid/iam?sslmode=verify-full' },
    5,
    /invalid/,
  ],
])('reports one line on standard error: %s', async (_name, environment, exitCode, message) => {
  const refused = await iam(['migrate', 'region'], environment as Record<string, string>);
  expect(refused.exitCode).toBe(exitCode);
  expect(refused.stderr).toMatch(message);
  expect(refused.stderr.trim().split('\n')).toHaveLength(1);
});
