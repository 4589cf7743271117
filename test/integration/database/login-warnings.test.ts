import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { checkMigration } from '../../../src/database/migrate.ts';
import { createPrimary, type TestPrimary } from '../../support/primary.ts';
import { runStatement } from '../../support/run-statement.ts';

let primary: TestPrimary;
let database: string;
/** A login that may migrate, but does not own the database, as some hosters give to their customers. */
let guest: string;
let guestUrl: string;

beforeEach(async () => {
  primary = await createPrimary();
  const url = new URL(primary.url);
  database = pg.escapeIdentifier(url.pathname.slice(1));
  guest = `guest_${randomBytes(4).toString('hex')}`;
  await run(`CREATE ROLE ${guest} LOGIN PASSWORD 'guest-test-password'`);
  url.username = guest;
  url.password = 'guest-test-password';
  guestUrl = url.href;
});
afterEach(async () => {
  await primary?.close();
  await runStatement(inject('postgres').primary.url, `DROP ROLE ${guest}`);
});

const run = (text: string) => primary.pool.query(text);
const warnings = async (url = primary.url) =>
  (await checkMigration(url, { kind: 'primary', passwords: [] })).warnings.map(({ message }) => message);

/** Those of this database; tests of other files share the logins. */
const ownSettings = async () => (await warnings()).filter((message) => message.includes('own setting'));

it('warns of a setting that a login has of its own in this database, until the fix is executed', async () => {
  const before = await ownSettings();
  const client = new pg.Client({ connectionString: primary.controlPlaneUrl });
  await client.connect();
  try {
    await client.query(`ALTER ROLE iam_control_plane IN DATABASE ${database} SET search_path = 'stolen'`);
    await client.query(`ALTER ROLE iam_control_plane IN DATABASE ${database} SET statement_timeout = '7s'`);
  } finally {
    await client.end();
  }
  const added = (await ownSettings()).filter((message) => !before.includes(message));
  expect(added).toEqual([expect.stringContaining('iam_control_plane has its own setting search_path')]);
  await run(`ALTER ROLE iam_control_plane IN DATABASE ${database} RESET ALL`);
  expect(await ownSettings()).toEqual(before);
});

it('warns of the permission TEMPORARY only if the migration cannot take it away', async () => {
  const temporary = async (url: string) =>
    (await warnings(url)).filter((text) => /temporary tables/.test(text));
  await run(`GRANT TEMPORARY ON DATABASE ${database} TO PUBLIC`);
  expect(await temporary(guestUrl)).toHaveLength(1);
  expect(await temporary(primary.url), 'a superuser can').toEqual([]);
  await run(`REVOKE TEMPORARY ON DATABASE ${database} FROM PUBLIC`);
  expect(await temporary(guestUrl)).toEqual([]);
});
