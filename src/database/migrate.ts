import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { predefinedSet } from '../roles/predefined.ts';
import type { DatabaseKind } from './logins.ts';
import { loadPredefinedRoles } from './predefined-roles.ts';
import { type MigrationPlan, type Problem, preflight } from './preflight.ts';

const directory = fileURLToPath(new URL('../../migrations', import.meta.url));

/**
 * Migrates a database to the current schema. Safe to repeat and to run concurrently: a session advisory lock serialises
 * runs. Migrate every region before the primary, since logical replication carries no DDL.
 *
 * On the primary it also writes the predefined roles of this release, unless newer ones were loaded.
 * @returns the names of the applied migrations
 */
export async function migrate(
  databaseUrl: string,
  kind: DatabaseKind,
  log: (message: string) => void = () => {},
): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'iam-migrate' });
  await client.connect();
  try {
    const applied = await runner({
      dbClient: client,
      dir: [`${directory}/shared/*.sql`, `${directory}/${kind}/*.sql`],
      useGlob: true,
      direction: 'up',
      migrationsTable: 'schema_migrations',
      advisoryLockMode: 'wait',
      log,
    });
    if (kind === 'primary') await loadRelease(client);
    return applied.map((migration) => migration.name);
  } finally {
    await client.end();
  }
}

/** Finds what would make a migration fail. */
export async function problemsOf(databaseUrl: string, plan: MigrationPlan): Promise<Problem[]> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'iam-migrate' });
  await client.connect();
  try {
    return await preflight(client, plan);
  } finally {
    await client.end();
  }
}

async function loadRelease(client: pg.Client): Promise<void> {
  await client.query('BEGIN');
  await loadPredefinedRoles(async (text, values) => (await client.query(text, values)).rows, predefinedSet);
  await client.query('COMMIT');
}
