import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { expect, inject } from 'vitest';
import { startTestControlPlane, type TestControlPlane } from './control-plane.ts';
import { iam } from './iam.ts';
import { insertKeys } from './many-keys.ts';
import { runStatement } from './run-statement.ts';
import { createScratchDirectory, startTestPostgres } from './servers/postgres.ts';

/** A primary on a server of its own, which may lose slots, and a region on the server of the run, added with `iam region add`. */
export interface AddedRegion {
  /** Name of the subscription and of the slot. */
  name: string;
  /** Superuser pools. */
  primary: pg.Pool;
  region: pg.Pool;
  replicaUrl: string;
  controlPlane: TestControlPlane;
  keys: { id: string; authorization: string }[];
  /** Environment of `iam region`. */
  settings: Record<string, string>;
  close(): Promise<void>;
}

const PASSWORD = 'region-command-test-password';
const REGIONAL_PASSWORD = 'regional-test-password';

/** @param keyCount keys of the primary; 100 of them have credentials */
export async function startAddedRegion(name: string, keyCount: number): Promise<AddedRegion> {
  const directory = await createScratchDirectory('region');
  const { server, access } = await startTestPostgres(join(directory, 'primary'), {
    max_slot_wal_keep_size: '1MB',
  });
  const regionServer = inject('postgres').region.url;
  await runStatement(regionServer, `CREATE DATABASE ${name}`);
  const regionUrl = Object.assign(new URL(regionServer), { pathname: `/${name}` }).href;
  const settings = {
    MIGRATE_DATABASE_URL: regionUrl,
    SUBSCRIBE_TO: withLogin(access.url, 'iam_replicator', PASSWORD),
    SUBSCRIPTION_NAME: name,
    PRIMARY_DATABASE_URL: withLogin(access.url, 'iam_control_plane', PASSWORD),
  };
  expect((await iam(['migrate', 'region'], { MIGRATE_DATABASE_URL: regionUrl })).exitCode).toBe(0);
  const migrated = await iam(['migrate', 'primary'], {
    MIGRATE_DATABASE_URL: access.url,
    IAM_REPLICATOR_PASSWORD: PASSWORD,
    IAM_CONTROL_PLANE_PASSWORD: PASSWORD,
  });
  expect(migrated.exitCode).toBe(0);
  const primary = new pg.Pool({ connectionString: access.url, max: 4 });
  const region = new pg.Pool({ connectionString: regionUrl, max: 4 });
  for (const pool of [primary, region]) pool.on('error', () => {});
  const keys = await insertKeys(primary, 100);
  await insertFiller(primary, keyCount - keys.length);
  const controlPlane = await startTestControlPlane(
    {},
    {
      pool: primary,
      url: access.url,
      controlPlaneUrl: settings.PRIMARY_DATABASE_URL,
    },
  );
  // Roles belong to the whole server, which test files share, so the changes are serialized.
  await runStatement(
    regionServer,
    `BEGIN; SELECT pg_advisory_xact_lock(1); ALTER ROLE iam_regional LOGIN PASSWORD '${REGIONAL_PASSWORD}'; COMMIT`,
  );
  const added = await iam(['region', 'add'], settings);
  expect([added.exitCode, added.stdout]).toEqual([0, expect.stringContaining('has all rows')]);
  return {
    name,
    primary,
    region,
    replicaUrl: withLogin(regionUrl, 'iam_regional', REGIONAL_PASSWORD),
    controlPlane,
    keys,
    settings,
    close: async () => {
      await iam(['region', 'remove', '--primary-gone', '--force', '--yes'], settings);
      await Promise.all([primary.end(), region.end()]);
      await server.stop('immediate');
      await runStatement(regionServer, `DROP DATABASE ${name} WITH (FORCE)`);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function withLogin(url: string, username: string, password: string): string {
  return Object.assign(new URL(url), { username, password }).href;
}

async function insertFiller(primary: pg.Pool, count: number): Promise<void> {
  await primary.query("INSERT INTO organizations (id, name) VALUES ('filler', 'filler')");
  await primary.query(
    `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, version)
     SELECT 'filler-' || n, 'filler', 'filler', 'none', '{}', 'user-1', 0 FROM generate_series(1, $1::int) AS n`,
    [count],
  );
}

/** Number and fingerprints of all keys of a database. */
export async function fingerprints(pool: pg.Pool): Promise<unknown> {
  return (await pool.query('SELECT count(*), sum(fingerprint) FROM api_keys')).rows[0];
}
