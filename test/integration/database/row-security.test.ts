import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Database } from '../../../src/control-plane/database.ts';
import { migrate } from '../../../src/database/migrate.ts';
import { subscribeRegion } from '../../../src/database/subscription.ts';
import { insertKey } from '../../support/keys.ts';
import { createPrimary, type TestPrimary } from '../../support/primary.ts';
import { runStatement } from '../../support/run-statement.ts';
import { unsubscribeRegion } from '../../support/unsubscribe-region.ts';

const PASSWORD = 'row-security-test-password';
const KEYS_OF_ONE = 3;
/** As docs/install.md creates it. */
const OWN_LOGIN = `iam_replicator_${randomBytes(4).toString('hex')}`;

let primary: TestPrimary;
let pool: pg.Pool;
let database: Database;
beforeAll(async () => {
  primary = await createPrimary();
  await primary.pool.query(`CREATE ROLE ${OWN_LOGIN} IN ROLE iam_replicator`);
  for (let count = 0; count < KEYS_OF_ONE; count += 1)
    await insertKey(primary.pool, { organizationId: 'one' });
  await insertKey(primary.pool, { organizationId: 'two' });
  pool = new pg.Pool({ connectionString: primary.controlPlaneUrl, max: 2 });
  database = new Database(pool);
});
afterAll(async () => {
  await pool?.end();
  await primary?.pool.query(`DROP ROLE ${OWN_LOGIN}`);
  await primary?.close();
});

const ALL_OF_TWO = {
  api_keys: "SELECT id FROM api_keys WHERE organization_id = 'two'",
  organizations: "SELECT id FROM organizations WHERE id = 'two'",
};

describe('a transaction for a caller', () => {
  it.each(Object.entries(ALL_OF_TWO))('finds no row of another organization in %s', async (_table, text) => {
    expect(await database.query(text)).toHaveLength(1);
    expect(await database.of('two').query(text)).toHaveLength(1);
    expect(await database.of('one').query(text)).toEqual([]);
  });

  it('finds all keys of its own, with no condition in the statement', async () => {
    expect(await database.of('one').query('SELECT FROM api_keys')).toHaveLength(KEYS_OF_ONE);
  });

  it('changes no key of another organization, and creates none there', async () => {
    const changed = await database
      .of('one')
      .query("UPDATE api_keys SET revoked_at = now() WHERE organization_id = 'two' RETURNING id");
    expect(changed).toEqual([]);
    await expect(
      database.of('one').query("UPDATE api_keys SET organization_id = 'two' RETURNING id"),
    ).rejects.toThrow('row-level security');
    await expect(
      database
        .of('one')
        .query(
          "INSERT INTO audit_events (organization_id, actor_type, actor_id, action, outcome) VALUES ('two', 'cli', 'x', 'key.create', 'success')",
        ),
    ).rejects.toThrow('row-level security');
  });

  it('ends with its setting: the next user of the connection sees all organizations', async () => {
    const single = new pg.Pool({ connectionString: primary.controlPlaneUrl, max: 1 });
    const own = new Database(single);
    await own.of("o'ne\\").query('SELECT FROM api_keys');
    expect(await own.query('SELECT FROM api_keys')).toHaveLength(KEYS_OF_ONE + 1);
    await single.end();
  });
});

describe('the login of the control plane', () => {
  const PREDEFINED = "organization_id = '' AND name = 'viewer' AND project_type = 'elasticsearch'";
  const descriptor = async () =>
    (await primary.pool.query(`SELECT descriptor FROM roles WHERE ${PREDEFINED}`)).rows;

  it('reads predefined roles, and cannot change, delete or add one', async () => {
    const before = await descriptor();
    expect(before).toHaveLength(1);
    expect(await database.of('one').query(`SELECT FROM roles WHERE ${PREDEFINED}`)).toHaveLength(1);
    await database.query(
      `UPDATE roles SET descriptor = '{"cluster":["all"]}', deleted_at = now() WHERE ${PREDEFINED}`,
    );
    expect(await descriptor()).toEqual(before);
    for (const name of ['viewer', 'new']) {
      await expect(
        database.query(
          `INSERT INTO roles (project_type, name, descriptor, version) VALUES ('elasticsearch', '${name}', '{}', 0)
           ON CONFLICT (organization_id, project_type, project_id, name) DO UPDATE SET descriptor = EXCLUDED.descriptor`,
        ),
      ).rejects.toThrow('row-level security');
    }
    await expect(database.query("UPDATE predefined_role_set SET version = '9999-01-01'")).rejects.toThrow(
      'permission denied',
    );
  });

  it('turns no custom role into a predefined one', async () => {
    await database.query(
      `INSERT INTO roles (organization_id, project_type, project_id, name, descriptor, version)
       VALUES ('one', 'elasticsearch', 'p', 'mine', '{}', 0)`,
    );
    await expect(
      database.query("UPDATE roles SET organization_id = '', project_id = '' WHERE name = 'mine'"),
    ).rejects.toThrow('row-level security');
  });
});

it('the replication login may not copy the whole server in the local stack', async () => {
  const url = Object.assign(new URL(inject('postgres').primary.url), {
    username: 'iam_replicator',
    password: PASSWORD,
  });
  const physical = new pg.Client({ connectionString: url.href, replication: 'true' } as pg.ClientConfig);
  await expect(physical.connect()).rejects.toThrow('pg_hba.conf rejects replication connection');
});

it.each([
  ['the replication login', 'iam_replicator'],
  ['a replication login of its own', OWN_LOGIN],
])('the initial copy of a region that connects with %s has every row', async (_title, login) => {
  const name = `rows_${randomBytes(6).toString('hex')}`;
  // Roles belong to the whole server, which test files share, so the changes are serialized.
  await runStatement(
    inject('postgres').primary.url,
    `BEGIN; SELECT pg_advisory_xact_lock(1); ALTER ROLE ${login} LOGIN REPLICATION PASSWORD '${PASSWORD}'; COMMIT`,
  );
  const server = inject('postgres').region.url;
  await runStatement(server, `CREATE DATABASE ${name}`);
  const regionUrl = Object.assign(new URL(server), { pathname: `/${name}` }).href;
  await migrate(regionUrl, 'region');
  const connection = Object.assign(new URL(primary.url), { username: login, password: PASSWORD });
  await subscribeRegion(regionUrl, connection.href, name);
  const region = new pg.Pool({ connectionString: regionUrl, max: 1 });
  const rows = async (on: pg.Pool) =>
    (
      await on.query(
        `SELECT (SELECT count(*) FROM api_keys)::int AS keys, (SELECT count(*) FROM roles)::int AS roles,
           (SELECT sum(fingerprint) FROM api_keys) AS fingerprints`,
      )
    ).rows[0];
  try {
    const expected = await rows(primary.pool);
    expect(expected.keys).toBe(KEYS_OF_ONE + 1);
    await expect
      .poll(
        async () => (await region.query("SELECT FROM pg_subscription_rel WHERE srsubstate <> 'r'")).rowCount,
        {
          timeout: 20_000,
        },
      )
      .toBe(0);
    expect(await rows(region)).toEqual(expected);
  } finally {
    await region.end();
    await unsubscribeRegion(regionUrl, name);
    await runStatement(server, `DROP DATABASE ${name} WITH (FORCE)`);
  }
});
