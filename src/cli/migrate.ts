import { type Command, Option } from 'commander';
import type { Findings, Problem } from '../database/findings.ts';
import { type DatabaseKind, LOGINS } from '../database/logins.ts';
import type { Subscribed } from '../database/subscription.ts';
import { UsageError } from './command-failure.ts';
import { EXIT, exitCodeHelp } from './exit-codes.ts';
import { checkedDatabaseUrl, checkedPrimary } from './region-flags.ts';
import { type CommonOptions, run, withExitCodes } from './run.ts';

interface Options extends CommonOptions {
  databaseUrl?: string;
  subscribeTo?: string;
  subscriptionName?: string;
  check?: boolean;
}

const HELP = `
Checks first that every step can succeed, and changes nothing if one cannot. The database user may be a plain owner of
the database; docs/install.md lists what an administrator prepares for it.

Sets the passwords that these variables contain. They travel as SCRAM verifiers, never as plain text:
  region    IAM_REGIONAL_PASSWORD       login iam_regional, SELECT only (REPLICA_DATABASE_URL of the service)
  primary   IAM_CONTROL_PLANE_PASSWORD  login iam_control_plane (PRIMARY_DATABASE_URL)
            IAM_REPLICATOR_PASSWORD     login iam_replicator, REPLICATION (--subscribe-to of every region)

Migrate every region before the primary: logical replication carries no DDL.

  MIGRATE_DATABASE_URL='postgres://owner@region/iam?sslmode=verify-full' iam migrate region
  MIGRATE_DATABASE_URL='postgres://owner@primary/iam?sslmode=verify-full' iam migrate primary
  MIGRATE_DATABASE_URL='postgres://owner@region/iam?sslmode=verify-full' iam migrate region \\
    --subscribe-to 'host=primary dbname=iam user=iam_replicator password=… sslmode=verify-full' --subscription-name region_eu
${exitCodeHelp}`;

/** `iam migrate primary|region` */
export function registerMigrateCommand(program: Command): void {
  const migrate = withExitCodes(program)
    .command('migrate')
    .description('Migrate a database to the current schema.')
    .addHelpText('after', HELP);
  addMigration(migrate, 'primary')
    .description('Migrate the global database: schema, publication, predefined roles.')
    .action((options: Options) => run(options, () => migrateDatabase('primary', options), text));
  addMigration(migrate, 'region')
    .description(
      'Migrate the database of a region: schema, change feed, optionally the subscription to the primary.',
    )
    .addOption(
      new Option(
        '--subscribe-to <connection>',
        'connection string of the primary, with a replication login; "iam region add" does the same, and waits for the copy',
      ).env('SUBSCRIBE_TO'),
    )
    .addOption(
      new Option(
        '--subscription-name <name>',
        'name of the subscription and of its slot on the primary: lower-case letters, digits and _, unique per region',
      )
        .env('SUBSCRIPTION_NAME')
        .default('iam'),
    )
    .action((options: Options) => run(options, () => migrateDatabase('region', options), text));
}

function addMigration(migrate: Command, kind: DatabaseKind): Command {
  return migrate
    .command(kind)
    .addOption(
      new Option('--database-url <url>', 'database URL, with the login of its owner').env(
        'MIGRATE_DATABASE_URL',
      ),
    )
    .option('--check', 'only check that the migration can succeed')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP);
}

/** With `--check` it has the findings, and nothing was applied. */
interface Migration extends Partial<Findings> {
  database: DatabaseKind;
  applied: readonly string[];
  logins: readonly string[];
  subscription: string | null;
  /** What happened to the subscription. */
  change?: Subscribed;
}

async function migrateDatabase(kind: DatabaseKind, options: Options): Promise<Migration> {
  const { databaseUrl, subscribeTo, subscriptionName = 'iam' } = options;
  if (!databaseUrl)
    throw new UsageError('No database is set. Set MIGRATE_DATABASE_URL or use --database-url.');
  checkedDatabaseUrl(databaseUrl);
  if (subscribeTo) checkedPrimary(subscribeTo, '--subscribe-to');
  const [{ setLoginPassword }, { checkMigration, migrate }, { subscribeRegion }] = await Promise.all([
    import('../database/logins.ts'),
    import('../database/migrate.ts'),
    import('../database/subscription.ts'),
  ]);
  const logins = LOGINS.filter((login) => login.kind === kind && process.env[login.passwordVariable]);
  const findings = await checkMigration(databaseUrl, {
    kind,
    passwords: logins,
    ...(subscribeTo && { subscription: { name: subscriptionName, connection: subscribeTo } }),
  });
  if (options.check === true) {
    if (findings.problems.length > 0) process.exitCode = EXIT.refused;
    return { database: kind, ...findings, applied: [], logins: [], subscription: null };
  }
  if (findings.problems.length > 0) {
    throw new UsageError(`Nothing was changed.\n${findings.problems.map(problemText).join('\n')}`);
  }
  const applied = await migrate(databaseUrl, kind, { report });
  for (const login of logins)
    await setLoginPassword(databaseUrl, login, process.env[login.passwordVariable] ?? '');
  const change = subscribeTo ? await subscribeRegion(databaseUrl, subscribeTo, subscriptionName) : undefined;
  return {
    database: kind,
    warnings: findings.warnings,
    applied,
    logins: logins.map(({ name }) => name),
    ...(change === undefined ? { subscription: null } : { subscription: subscriptionName, change }),
  };
}

/** On standard error, so that the output stays clean. */
function report(message: string): void {
  process.stderr.write(`${message}\n`);
}

function text(migration: Migration): string {
  const { problems, warnings = [], unchecked = [], applied, logins, subscription, change } = migration;
  if (problems !== undefined) {
    return [
      ...(problems.length === 0 ? ['the migration can succeed'] : problems.map(problemText)),
      ...warnings.map(warningText),
      ...unchecked.map((what) => `- Not checked: ${what}`),
    ].join('\n');
  }
  return [
    ...(applied.length === 0 ? ['the schema is up to date'] : applied.map((name) => `applied ${name}`)),
    ...logins.map((name) => `${name} can log in with the given password`),
    ...(subscription === null
      ? []
      : [`subscription ${subscription} ${change}; it receives changes from the primary`]),
    ...warnings.map(warningText),
  ].join('\n');
}

function problemText({ message, fix }: Problem): string {
  return `- ${message}\n  Fix: ${fix}`;
}

function warningText({ message, fix }: Problem): string {
  return `- Warning: ${message}\n  Fix: ${fix}`;
}
