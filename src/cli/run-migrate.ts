import { LOGINS, setLoginPassword } from '../database/logins.ts';
import { type DatabaseKind, migrate } from '../database/migrate.ts';
import { subscribeRegion } from '../database/subscription.ts';

interface MigrateOptions {
  databaseUrl?: string;
  subscribeTo?: string;
  subscriptionName?: string;
  json?: boolean;
}

/** Migrates one database, sets the given passwords, subscribes on request, and prints each step. */
export async function runMigrate(kind: DatabaseKind, options: MigrateOptions): Promise<void> {
  const { databaseUrl, subscribeTo, subscriptionName = 'iam' } = options;
  if (!databaseUrl) throw new Error('No database is set. Set MIGRATE_DATABASE_URL or use --database-url.');
  const applied = await migrate(databaseUrl, kind);
  const logins: string[] = [];
  for (const login of LOGINS.filter((candidate) => candidate.kind === kind)) {
    const password = process.env[login.passwordVariable];
    if (!password) continue;
    await setLoginPassword(databaseUrl, login, password);
    logins.push(login.name);
  }
  if (subscribeTo) await subscribeRegion(databaseUrl, subscribeTo, subscriptionName);

  if (options.json) {
    const subscription = subscribeTo ? subscriptionName : null;
    process.stdout.write(`${JSON.stringify({ database: kind, applied, logins, subscription })}\n`);
    return;
  }
  const lines = applied.map((name) => `applied ${name}`);
  if (applied.length === 0) lines.push('the schema is up to date');
  lines.push(...logins.map((name) => `${name} can log in with the given password`));
  if (subscribeTo) lines.push(`subscription ${subscriptionName} is in place`);
  process.stdout.write(`${lines.join('\n')}\n`);
}
