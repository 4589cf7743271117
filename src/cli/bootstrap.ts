import { type Command, InvalidArgumentError } from 'commander';
import { bootstrap } from '../control-plane/keys/bootstrap.ts';
import { parseTtl } from '../control-plane/keys/durations.ts';
import { openPrimary, operator } from './database-administration.ts';
import { exitCodeHelp } from './exit-codes.ts';
import { type CommonOptions, run, withExitCodes } from './run.ts';
import { credentialText } from './texts.ts';

interface BootstrapFlags extends CommonOptions {
  organization?: string;
  name?: string;
  quota?: number;
  expires?: number | null;
}

/** `iam bootstrap` */
export function registerBootstrapCommand(program: Command): void {
  withExitCodes(program)
    .command('bootstrap')
    .description('Make an organization and the first key that owns it.')
    .option('--organization <id>', 'id of the organization (default: a random one)')
    .option('--name <text>', 'name of the organization (default: its id)')
    .option('--quota <count>', 'active keys it may have', quota)
    .option('--expires <duration>', 'life of the owner key: 30d … or never (default: 90d)', life)
    .option('--json', 'answer as JSON')
    .addHelpText('after', exitCodeHelp)
    .action((flags: BootstrapFlags) =>
      run(
        flags,
        async () => {
          const { deps, pool } = openPrimary();
          try {
            return await bootstrap(deps, operator(), {
              organizationId: flags.organization,
              name: flags.name,
              keyQuota: flags.quota,
              ttlMs: flags.expires,
            });
          } finally {
            await pool.end();
          }
        },
        ({ key }) => credentialText(key),
      ),
    );
}

function quota(text: string): number {
  if (!/^\d{1,7}$/.test(text)) throw new InvalidArgumentError('It takes a whole number.');
  return Number(text);
}

function life(text: string): number | null {
  const parsed = parseTtl(text);
  if ('problem' in parsed) throw new InvalidArgumentError(`It ${parsed.problem}.`);
  return parsed.ttlMs;
}
