import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { migrate } from '../../src/database/migrate.ts';
import { runStatement } from './run-statement.ts';

/** A migrated primary database for one test file, without a region. */
export interface TestPrimary {
  /** Superuser pool. */
  pool: pg.Pool;
  /** Superuser URL, for migrations and fault injection. */
  url: string;
  /** URL with the login of the control plane, which can neither drop nor alter anything. */
  controlPlaneUrl: string;
  close(): Promise<void>;
}

const PASSWORD = 'control-plane-test-password';

/** Lets the control plane log in. @returns the URL of a primary with its login */
export async function controlPlaneUrl(primaryUrl: string): Promise<string> {
  // Roles belong to the whole server, which test files share, so the changes are serialized.
  await runStatement(
    inject('postgres').primary.url,
    `BEGIN; SELECT pg_advisory_xact_lock(1); ALTER ROLE iam_control_plane LOGIN PASSWORD '${PASSWORD}'; COMMIT`,
  );
  const login = new URL(primaryUrl);
  login.username = 'iam_control_plane';
  login.password = PASSWORD;
  return login.href;
}

export async function createPrimary(): Promise<TestPrimary> {
  const server = inject('postgres').primary.url;
  const name = `primary_${randomBytes(6).toString('hex')}`;
  await runStatement(server, `CREATE DATABASE ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  await migrate(url.href, 'primary');
  const pool = new pg.Pool({ connectionString: url.href, max: 4 });
  // Some tests terminate backends on purpose, and the database is dropped while connections close.
  pool.on('error', () => {});
  pool.on('connect', (client) => void client.on('error', () => {}));
  return {
    pool,
    url: url.href,
    controlPlaneUrl: await controlPlaneUrl(url.href),
    close: async () => {
      await pool.end();
      await runStatement(server, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}
