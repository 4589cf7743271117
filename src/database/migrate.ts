import { runner } from 'node-pg-migrate';
import type pg from 'pg';
import { predefinedSet } from '../roles/predefined.ts';
import type { Findings } from './findings.ts';
import type { DatabaseKind } from './logins.ts';
import { MIGRATIONS } from './migration-files.ts';
import { waitForTurn, withShortLockWaits } from './migration-locks.ts';
import { withClient } from './one-client.ts';
import { usesTransactionPooling } from './pooler.ts';
import { loadPredefinedRoles } from './predefined-roles.ts';
import { type MigrationPlan, preflight } from './preflight.ts';
import { revokePublicLeftovers } from './public-leftovers.ts';

/** How long a migration tries to get the locks that it needs. */
const GIVE_UP_AFTER_MS = 60_000;

export interface MigrationOptions {
  /** Receives messages while the migration waits for other sessions. */
  report?: (message: string) => void;
  giveUpAfterMs?: number;
}

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
  { report = () => {}, giveUpAfterMs = GIVE_UP_AFTER_MS }: MigrationOptions = {},
): Promise<string[]> {
  return withClient(databaseUrl, 'iam-migrate', async (client) => {
    await waitForTurn(client, report);
    const before = await appliedMigrations(client);
    await withShortLockWaits(client, { databaseUrl, giveUpAfterMs, report }, async () => {
      await runner({
        dbClient: client,
        dir: [`${MIGRATIONS}/shared/*.sql`, `${MIGRATIONS}/${kind}/*.sql`],
        useGlob: true,
        direction: 'up',
        migrationsTable: 'schema_migrations',
        noLock: true,
        log: () => {},
      });
      await revokePublicLeftovers(client, kind);
      if (kind === 'primary') await loadRelease(client);
    });
    return (await appliedMigrations(client)).filter((name) => !before.includes(name));
  });
}

/** The names of the applied migrations, in their order. */
async function appliedMigrations(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ migrated: boolean }>(
    "SELECT to_regclass('public.schema_migrations') IS NOT NULL AS migrated",
  );
  if (rows[0]?.migrated !== true) return [];
  const applied = await client.query<{ name: string }>(
    'SELECT name FROM public.schema_migrations ORDER BY id',
  );
  return applied.rows.map(({ name }) => name);
}

const POOLED: Findings = {
  problems: [
    {
      message: 'The URL leads to a connection pooler in transaction mode.',
      fix: 'Use the URL of the server itself: a migration holds a lock for its session.',
    },
  ],
  warnings: [],
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
