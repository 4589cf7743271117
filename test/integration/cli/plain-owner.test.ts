import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PostgresServer } from '../../../dev/postgres/server.ts';
import { callApi, newOrganization, startTestControlPlane } from '../../support/control-plane.ts';
import { iam } from '../../support/iam.ts';
import { authenticate, startRegional } from '../../support/regional.ts';
import { createScratchDirectory, startTestPostgres } from '../../support/servers/postgres.ts';

const PASSWORD = 'plain-owner-test-password';

/** The statements of an administrator, as docs/install.md lists them. Logins belong to a whole server: own servers. */
const LOGINS = `
  CREATE ROLE iam_owner LOGIN PASSWORD '${PASSWORD}';
  CREATE ROLE iam_regional LOGIN PASSWORD '${PASSWORD}';
  CREATE ROLE iam_control_plane LOGIN PASSWORD '${PASSWORD}';
  CREATE ROLE iam_replicator LOGIN REPLICATION PASSWORD '${PASSWORD}';`;

let directory: string;
let primaryServer: PostgresServer;
let regionServer: PostgresServer;
/** Superuser URLs of the servers. */
let admin: { primary: string; region: string };
let database: string;
beforeAll(async () => {
  directory = await createScratchDirectory('plain-owner');
  const [primary, region] = await Promise.all([
    startTestPostgres(join(directory, 'primary')),
    startTestPostgres(join(directory, 'region')),
  ]);
  [primaryServer, regionServer] = [primary.server, region.server];
  admin = { primary: primary.access.url, region: region.access.url };
});
afterAll(async () => {
  await regionServer?.stop('immediate');
  await primaryServer?.stop('immediate');
  await rm(directory, { recursive: true, force: true });
});
beforeEach(() => {
  database = `plain_${randomBytes(4).toString('hex')}`;
});

async function run(url: string, ...statements: string[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    let rows: Record<string, unknown>[] = [];
    for (const statement of statements) rows = (await client.query(statement)).rows;
    return rows;
  } finally {
    await client.end();
  }
}

function as(login: string, kind: 'primary' | 'region'): string {
  const url = new URL(admin[kind]);
  url.username = login;
  url.password = PASSWORD;
  url.pathname = `/${database}`;
  return url.href;
}

const tables = async (kind: 'primary' | 'region') =>
  run(as('iam_owner', kind), "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace");

describe('an owner without the prepared logins', () => {
  it('gets every problem with its statement, and nothing changes', async () => {
    await run(
      admin.primary,
      `CREATE ROLE iam_owner LOGIN PASSWORD '${PASSWORD}'`,
      `CREATE DATABASE ${database} OWNER iam_owner`,
    );
    const settings = { MIGRATE_DATABASE_URL: as('iam_owner', 'primary'), IAM_REPLICATOR_PASSWORD: 'x' };
    const { exitCode, stderr } = await iam(['migrate', 'primary'], settings);
    expect(exitCode).toBe(2);
    for (const fix of [
      "CREATE ROLE iam_regional LOGIN PASSWORD '…';",
      "CREATE ROLE iam_replicator LOGIN REPLICATION PASSWORD '…';",
      'unset IAM_REPLICATOR_PASSWORD',
    ]) {
      expect(stderr).toContain(fix);
    }
    expect(await tables('primary')).toEqual([]);
    const checked = await iam(['migrate', 'primary', '--check', '--json'], settings);
    expect([checked.exitCode, JSON.parse(checked.stdout).problems.length]).toEqual([4, 4]);
    await run(admin.primary, `DROP DATABASE ${database}`, 'DROP ROLE iam_owner');
  });
});

describe('an owner with logins that an administrator created', () => {
  beforeAll(async () => {
    await run(admin.primary, LOGINS);
    await run(admin.region, LOGINS);
  });
  beforeEach(async () => {
    await run(admin.primary, `CREATE DATABASE ${database} OWNER iam_owner`);
    await run(admin.region, `CREATE DATABASE ${database} OWNER iam_owner`);
  });
  const migrate = (kind: 'primary' | 'region', ...args: string[]) =>
    iam(['migrate', kind, ...args], { MIGRATE_DATABASE_URL: as('iam_owner', kind) });

  it('migrates both databases, subscribes, and a key of the control plane works in the region', async () => {
    for (const kind of ['region', 'primary'] as const) {
      expect(await migrate(kind)).toMatchObject({ exitCode: 0, stderr: '' });
      expect((await migrate(kind, '--check')).stdout).toMatch(/^the migration can succeed\n/);
    }
    const subscribe = () =>
      migrate('region', '--subscribe-to', as('iam_replicator', 'primary'), '--subscription-name', database);
    expect(await subscribe()).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('GRANT pg_create_subscription TO "iam_owner";'),
    });
    await run(admin.region, 'GRANT pg_create_subscription TO iam_owner');
    expect(await subscribe()).toMatchObject({ exitCode: 0, stderr: '' });
    await run(admin.region, 'REVOKE pg_create_subscription FROM iam_owner');
    const ofRegion = (...args: string[]) =>
      iam(['region', ...args], {
        MIGRATE_DATABASE_URL: as('iam_owner', 'region'),
        SUBSCRIBE_TO: as('iam_replicator', 'primary'),
      });
    // Only a superuser may read the position of the region, which is not needed.
    const status = JSON.parse((await ofRegion('status', '--json')).stdout);
    expect(status.primary).toMatchObject({ slot: { name: database, active: true }, positions: null });
    expect((await ofRegion('list')).stdout).toContain(database);

    const pool = new pg.Pool({ connectionString: as('iam_owner', 'primary'), max: 1 });
    const controlPlane = await startTestControlPlane(
      {},
      {
        pool,
        url: as('iam_owner', 'primary'),
        controlPlaneUrl: as('iam_control_plane', 'primary'),
      },
    );
    const regional = await startRegional(as('iam_regional', 'region'), {
      DATABASE_CONNECT_TIMEOUT_MS: '5000',
    });
    try {
      const owner = await newOrganization(pool);
      const { body: key } = await callApi(
        controlPlane,
        'POST',
        '/api/v1/users/auth/keys',
        owner.authorization,
        {
          body: { description: 'x' },
        },
      );
      await expect
        .poll(async () => (await authenticate(regional, `ApiKey ${key.key}`)).status, { timeout: 10_000 })
        .toBe(200);
      await callApi(controlPlane, 'DELETE', `/api/v1/users/auth/keys/${key.id}`, owner.authorization);
      await expect
        .poll(async () => (await authenticate(regional, `ApiKey ${key.key}`)).status, { timeout: 10_000 })
        .toBe(401);
    } finally {
      await regional.close();
      await controlPlane.close();
      await pool.end();
      await run(as('iam_owner', 'region'), `DROP SUBSCRIPTION ${database}`);
    }
  });

  it('learns that a login of the administrator lacks an attribute', async () => {
    await run(
      admin.primary,
      'ALTER ROLE iam_replicator NOREPLICATION',
      'ALTER ROLE iam_control_plane NOLOGIN',
    );
    try {
      const { exitCode, stdout } = await migrate('primary', '--check');
      expect([exitCode, stdout]).toEqual([4, expect.stringContaining('iam_replicator lacks REPLICATION')]);
      expect(stdout).toContain('ALTER ROLE iam_control_plane LOGIN;');
    } finally {
      await run(admin.primary, 'ALTER ROLE iam_replicator REPLICATION', 'ALTER ROLE iam_control_plane LOGIN');
    }
  });

  it('is stopped before any change if the tables belong to another login', async () => {
    await run(admin.region, 'CREATE ROLE stranger LOGIN');
    expect((await migrate('region')).exitCode).toBe(0);
    const superuser = new URL(admin.region);
    superuser.pathname = `/${database}`;
    await run(superuser.href, 'ALTER TABLE api_keys OWNER TO stranger');
    const { exitCode, stderr } = await migrate('region');
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('The tables belong to "stranger"')]);
  });
});

it.each([
  ['wal_level', 'replica', 'wal_level is "replica"', 'primary'],
  ['max_replication_slots', '0', 'max_replication_slots', 'primary'],
  ['max_logical_replication_workers', '0', 'max_logical_replication_workers', 'region'],
] as const)('a server with %s = %s is refused before any change', async (setting, value, message, kind) => {
  const { server, access } = await startTestPostgres(join(directory, `setting-${setting}`), {
    [setting]: value,
  });
  try {
    const { exitCode, stderr } = await iam(['migrate', kind], { MIGRATE_DATABASE_URL: access.url });
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(stderr).toContain('Nothing was changed.');
    expect(await run(access.url, "SELECT FROM pg_class WHERE relname = 'api_keys'")).toEqual([]);
  } finally {
    await server.stop('immediate');
  }
});
