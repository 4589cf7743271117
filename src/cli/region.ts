import { type Command, Option } from 'commander';
import { EXIT, exitCodeHelp } from './exit-codes.ts';
import { wholeNumber } from './option-values.ts';
import type { AddFlags, ListFlags, RegionFlags, RemoveFlags, ResyncFlags } from './region-flags.ts';
import { run, withExitCodes } from './run.ts';

const HELP = `
The commands work in the database of a region (MIGRATE_DATABASE_URL, login of its owner) and on the primary (--primary, login
iam_replicator). "iam region list" and "remove --region-gone" need only the primary. For the others, --primary may be left out if
the owner may read the connection string of the subscription, which takes a superuser.

This command and the server of the region connect with --primary, so the file of sslrootcert must have the same path on both hosts.
sslrootcert=system needs no file. It means the authorities of the system, on the host of the command those of Node.js.

  iam region add --name region_eu --primary 'host=primary dbname=iam user=iam_replicator password=… sslmode=verify-full'
  iam region status
  iam region list --primary 'host=primary dbname=iam user=iam_replicator password=… sslmode=verify-full'
${exitCodeHelp}`;

/** `iam region …` */
export function registerRegionCommands(program: Command): void {
  const region = withExitCodes(program)
    .command('region')
    .description('Add, inspect, repair and remove the regions of a primary.')
    .addHelpText('after', HELP);

  inRegion(region.command('add'))
    .description(
      'Migrate and subscribe a region, and wait until it has all rows. Corrects a subscription that exists.',
    )
    .addOption(
      name(
        'name of the subscription and of its slot on the primary (default: that of the subscription, or iam)',
      ),
    )
    .option('--empty-first', 'delete the rows that the region has, so that they are copied again')
    .option('--no-wait', 'do not wait for the copy')
    .addOption(
      wholeNumber('--timeout <seconds>', 'give up if nothing is copied for so long', {
        min: 1,
        max: 86_400,
      }).default('120'),
    )
    .option('--yes', 'do not ask on a terminal')
    .action(async (flags: AddFlags) => {
      const [{ addRegionCommand }, { addedText }] = await Promise.all([
        import('./region-add.ts'),
        import('./region-text.ts'),
      ]);
      await run(flags, () => addRegionCommand(flags), addedText);
    });

  withJson(region.command('list'))
    .description('List the slots of all regions on the primary, with the WAL that it keeps for each.')
    .addOption(primary())
    .action(async (flags: ListFlags) => {
      const [{ listRegions }, { listText }] = await Promise.all([
        import('./region-list.ts'),
        import('./region-text.ts'),
      ]);
      await run(flags, () => listRegions(flags), listText);
    });

  inRegion(region.command('status'))
    .description('Say whether a region is in step with the primary, and what to do if it is not.')
    .addHelpText('after', `\nExits with ${EXIT.notInStep} if the region is not in step.`)
    .action(async (flags: RegionFlags) => {
      const [{ regionStatus }, { statusText }] = await Promise.all([
        import('./region-status.ts'),
        import('./region-text.ts'),
      ]);
      await run(flags, () => regionStatus(flags), statusText);
    });

  inRegion(region.command('resync'))
    .description('Repair a region that is not in step with the primary, while it serves.')
    .addOption(name('name of the subscription if the region has none (default: iam)'))
    .option('--dry-run', 'show what would be done')
    .option('--yes', 'do not ask on a terminal')
    .addHelpText(
      'after',
      `
Rows that differ are repaired: with PRIMARY_DATABASE_URL by this command, else by a control plane, at the request of the region's
pods. If the slot of the region is lost, invalidated or missing, the region gets a new slot and a new
subscription, keeps its rows, and compares all of them. Ids that are not compared yet get 503, for some seconds.`,
    )
    .action(async (flags: ResyncFlags) => {
      const [{ resyncCommand }, { resyncText }] = await Promise.all([
        import('./region-resync.ts'),
        import('./region-text.ts'),
      ]);
      await run(flags, () => resyncCommand(flags), resyncText);
    });

  inRegion(region.command('remove'))
    .description('Remove a region: its subscription and its slot on the primary. No key is deleted.')
    .addOption(name('name of the slot, for --region-gone; else it must be that of the subscription'))
    .option('--region-gone', 'only drop the slot on the primary')
    .option('--primary-gone', 'only drop the subscription in the region')
    .option('--force', 'with --region-gone: also if a region is connected to the slot')
    .option('--dry-run', 'show what would be dropped')
    .option('--yes', 'do not ask on a terminal')
    .action(async (flags: RemoveFlags) => {
      const [{ removeCommand }, { removedText }] = await Promise.all([
        import('./region-remove.ts'),
        import('./region-text.ts'),
      ]);
      await run(flags, () => removeCommand(flags), removedText);
    });
}

function inRegion(command: Command): Command {
  return withJson(command)
    .addOption(
      new Option('--database-url <url>', "URL of the region's database, with the login of its owner").env(
        'MIGRATE_DATABASE_URL',
      ),
    )
    .addOption(primary());
}

function primary(): Option {
  return new Option(
    '--primary <connection>',
    'libpq connection string of the primary, with a replication login',
  ).env('SUBSCRIBE_TO');
}

function name(description: string): Option {
  return new Option('--name <name>', description).env('SUBSCRIPTION_NAME');
}

function withJson(command: Command): Command {
  return command.option('--json', 'print JSON').addHelpText('after', exitCodeHelp);
}
