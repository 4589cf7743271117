import { type Command, Option } from 'commander';

interface Options {
  databaseUrl?: string;
  subscribeTo?: string;
  subscriptionName: string;
  json?: boolean;
}

const LOGIN_HELP = `
Sets the passwords that these variables contain. They travel as SCRAM verifiers, never as plain text:
  region    IAM_REGIONAL_PASSWORD       login iam_regional, SELECT only (REPLICA_DATABASE_URL of the service)
  primary   IAM_CONTROL_PLANE_PASSWORD  login iam_control_plane (PRIMARY_DATABASE_URL)
            IAM_REPLICATOR_PASSWORD     login iam_replicator, REPLICATION (--subscribe-to of every region)

Migrate every region before the primary: logical replication carries no DDL.

  MIGRATE_DATABASE_URL=postgres://owner@region/iam iam migrate region
  MIGRATE_DATABASE_URL=postgres://owner@primary/iam iam migrate primary
  MIGRATE_DATABASE_URL=postgres://owner@region/iam iam migrate region \\
    --subscribe-to 'host=primary dbname=iam user=iam_replicator password=…' --subscription-name region_eu`;

/** `iam migrate primary|region`. */
export function registerMigrateCommand(program: Command): void {
  const migrate = program.command('migrate').description('Migrate a database to the current schema.');
  for (const kind of ['primary', 'region'] as const) {
    const command = migrate
      .command(kind)
      .description(
        kind === 'primary'
          ? 'Migrate the global database: schema, publication, predefined roles.'
          : 'Migrate the database of a region: schema, change feed, optionally the subscription to the primary.',
      )
      .addOption(
        new Option('--database-url <url>', 'database URL, with the login of its owner').env(
          'MIGRATE_DATABASE_URL',
        ),
      )
      .option('--json', 'print JSON')
      .addHelpText('after', LOGIN_HELP)
      .action(async (options: Options) => {
        const { runMigrate } = await import('./run-migrate.ts');
        await runMigrate(kind, options);
      });
    if (kind === 'region') {
      command
        .addOption(
          new Option(
            '--subscribe-to <connection>',
            'connection string of the primary, with a replication login',
          ).env('SUBSCRIBE_TO'),
        )
        .addOption(
          new Option(
            '--subscription-name <name>',
            'name of the subscription and of its slot on the primary; unique per region',
          )
            .env('SUBSCRIPTION_NAME')
            .default('iam'),
        );
    }
  }
}
