import { Command } from 'commander';
import { EXIT, exitCodeHelp } from './exit-codes.ts';
import { reportFailure } from './failure.ts';
import { loadSettingsFile } from './settings-file.ts';
import { startThreadPool } from './thread-pool.ts';

type Register = (program: Command) => void;

/** The module of each command. Only the requested one is loaded, so a service starts without the others' code. */
const commands: Record<string, () => Promise<Register>> = {
  regional: async () => (await import('./services.ts')).registerRegionalCommand,
  bootstrap: async () => (await import('./bootstrap.ts')).registerBootstrapCommand,
  keys: async () => (await import('./keys.ts')).registerKeysCommands,
  roles: async () => (await import('./roles.ts')).registerRolesCommands,
  'control-plane': async () => (await import('./services.ts')).registerControlPlaneCommand,
  migrate: async () => (await import('./migrate.ts')).registerMigrateCommand,
  region: async () => (await import('./region.ts')).registerRegionCommands,
  audit: async () => (await import('./audit.ts')).registerAuditCommand,
  login: async () => (await import('./login.ts')).registerLoginCommand,
  logout: async () => (await import('./login.ts')).registerLogoutCommand,
  whoami: async () => (await import('./login.ts')).registerWhoamiCommand,
  completion: async () => (await import('./completion.ts')).registerCompletionCommand,
};

/** Global options, whose values could look like commands. */
const GLOBAL_OPTIONS = ['--settings', '--profile'];

/** A command that shows all others needs them all. */
const NEEDS_ALL: readonly (string | undefined)[] = [undefined, 'completion'];

const program = new Command('iam')
  .description('Regional IAM: authenticates unified API keys beside each Elasticsearch fleet.')
  .version(await version(), '--version', 'print the version')
  .option('--settings <path>', 'read settings from a file; the environment takes precedence')
  .option('--profile <name>', 'use this profile of "iam login"')
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError('(--help lists commands and options)')
  .addHelpText('after', exitCodeHelp)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage))
  .hook('preAction', async (main) => {
    const { settings, profile } = main.opts<{ settings?: string; profile?: string }>();
    const problem = settings === undefined ? undefined : loadSettingsFile(settings, process.env);
    if (problem !== undefined) throw new (await import('../config.ts')).ConfigError(problem);
    if (profile !== undefined) process.env.IAM_PROFILE = profile;
    // Before any asynchronous work, which would start the pool.
    startThreadPool(process.env);
  });

const requested = process.argv
  .slice(2)
  .find(
    (argument, at, all) => Object.hasOwn(commands, argument) && !GLOBAL_OPTIONS.includes(all[at - 1] ?? ''),
  );
const loaders = Object.entries(commands).filter(
  ([name]) => NEEDS_ALL.includes(requested) || name === requested,
);
for (const [, load] of loaders) (await load())(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = await reportFailure(error, { json: process.argv.includes('--json') });
}

async function version(): Promise<string> {
  const { default: manifest } = await import('../../package.json', { with: { type: 'json' } });
  return manifest.version;
}
