import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import type pg from 'pg';
import { predefinedSet } from '../roles/predefined.ts';
import type { Findings } from './findings.ts';
import type { DatabaseKind } from './logins.ts';
import { withClient } from './one-client.ts';
import { usesTransactionPooling } from './pooler.ts';
import { loadPredefinedRoles } from './predefined-roles.ts';
import { type MigrationPlan, preflight } from './preflight.ts';

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
  return withClient(databaseUrl, 'iam-migrate', async (client) => {
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
  });
}

const POOLED: Findings = {
  problems: [
    {
      message: 'The URL leads to a connection pooler in transaction mode.',
      fix: 'Use the URL of the server itself: a migration holds a lock for its session.',
    },
  ],
  unchecked: [],
};

/** Finds what would make a migration fail. */
export async function checkMigration(databaseUrl: string, plan: MigrationPlan): Promise<Findings> {
  return withClient(databaseUrl, 'iam-migrate', async (client) =>
    (await usesTransactionPooling(client, databaseUrl)) ? POOLED : preflight(client, plan),
  );
}

async function loadRelease(client: pg.Client): Promise<void> {
  await client.query('BEGIN');
  await loadPredefinedRoles(async (text, values) => (await client.query(text, values)).rows, predefinedSet);
  await client.query('COMMIT');
}
