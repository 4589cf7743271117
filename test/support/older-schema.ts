import { runner } from 'node-pg-migrate';
import type { DatabaseKind } from '../../src/database/logins.ts';
import { MIGRATIONS } from '../../src/database/migration-files.ts';

/** Migrates an empty database as an older release did: only the first migrations of its kind. */
export async function migrateAsOlderRelease(
  databaseUrl: string,
  kind: DatabaseKind,
  migrations: number,
): Promise<void> {
  await runner({
    databaseUrl,
    dir: [`${MIGRATIONS}/shared/*.sql`, `${MIGRATIONS}/${kind}/*.sql`],
    useGlob: true,
    direction: 'up',
    count: migrations,
    migrationsTable: 'schema_migrations',
    log: () => {},
  });
}
