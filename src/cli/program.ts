import { Command } from 'commander';
import { loadEnvFile } from './env-file.ts';
import { EXIT, exitCodeHelp } from './exit-codes.ts';
import { reportFailure } from './failure.ts';
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
};

const program = new Command('iam')
  .description('Regional IAM: authenticates unified API keys beside each Elasticsearch fleet.')
  .option('--env-file <path>', 'read settings from a file; the environment takes precedence')
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError('(--help lists commands and options)')
  .addHelpText('after', exitCodeHelp)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage))
  .hook('preAction', (main) => {
    const { envFile } = main.opts<{ envFile?: string }>();
    if (envFile !== undefined) loadEnvFile(envFile, process.env);
    // Before any asynchronous work, which would start the pool.
    startThreadPool(process.env);
  });

const requested = process.argv.slice(2).find((argument) => Object.hasOwn(commands, argument));
const loaders = Object.entries(commands).filter(([name]) => requested === undefined || name === requested);
for (const [, load] of loaders) (await load())(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = await reportFailure(error);
}
