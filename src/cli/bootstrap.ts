import type { Command } from 'commander';
import { bootstrap } from '../control-plane/keys/bootstrap.ts';
import { parseTtl } from '../control-plane/keys/durations.ts';
import { openPrimary, operator } from './database-target.ts';
import { exitCodeHelp } from './exit-codes.ts';
import { checked, invalid } from './option-values.ts';
import { credentialText } from './output.ts';
import { type CommonOptions, run, withExitCodes } from './run.ts';

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
    .description('Create an organization and its first owner key.')
    .option('--organization <id>', 'id of the organization (default: random)')
    .option('--name <text>', 'name of the organization (default: its id)')
    .addOption(checked('--quota <count>', 'maximum number of active keys', quota))
    .addOption(
      checked('--expires <duration>', 'lifetime of the owner key: 30d … or never (default: 90d)', ttlMs),
    )
    .option('--json', 'print JSON')
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

function quota(text: string, name: string): number {
  if (!/^\d{1,7}$/.test(text)) throw invalid(name, 'must be a whole number with at most 7 digits', text);
  return Number(text);
}

function ttlMs(text: string, name: string): number | null {
  const parsed = parseTtl(text);
  if ('problem' in parsed) throw invalid(name, parsed.problem, text);
  return parsed.ttlMs;
}
