import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
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
    applied: [],
    logins: [],
    subscription: 'region_test',
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

it('reports that the schema is current', async () => {
  const again = await iam(['migrate', 'primary'], { MIGRATE_DATABASE_URL: primaryUrl });
  expect(again).toEqual({
    exitCode: 0,
    stdout: 'the schema is up to date\n',
    stderr: '',
  });
});

it.each([
  ['no URL', {}, /MIGRATE_DATABASE_URL/],
  ['no server on the port', { MIGRATE_DATABASE_URL: 'postgres://postgres@127.0.0.1:1/iam' }, /ECONNREFUSED/],
])('reports one line on standard error: %s', async (_name, environment, message) => {
  const refused = await iam(['migrate', 'region'], environment as Record<string, string>);
  expect(refused.exitCode).not.toBe(0);
  expect(refused.stderr).toMatch(message);
  expect(refused.stderr.trim().split('\n')).toHaveLength(1);
});
