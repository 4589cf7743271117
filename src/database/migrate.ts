import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { seedPredefinedRoles } from './seed-predefined-roles.ts';

const directory = fileURLToPath(new URL('../../migrations', import.meta.url));

/** Which kind of database: the one primary, or a region's. */
export type DatabaseKind = 'primary' | 'region';

/**
 * Brings a database to the current schema; safe to run again and from several places at once (a session advisory
 * lock serialises runs). Regions first, the primary last: logical replication carries no DDL.
 *
 * On the primary this also writes the predefined roles of this release.
 * @returns the names of the migrations that were applied now
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
    if (kind === 'primary') await seedPredefinedRoles(client);
    return applied.map((migration) => migration.name);
  } finally {
    await client.end();
  }
}
