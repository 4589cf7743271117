import { Command } from 'commander';
import { loadEnvFile } from './env-file.ts';
import { EXIT, exitCodeHelp } from './exit-codes.ts';
import { reportFailure } from './failure.ts';
import { startThreadPool } from './thread-pool.ts';

type Register = (program: Command) => void;

/** Each command's module, loaded when it is asked for: a service does not read the code of the others. */
const commands: Record<string, () => Promise<Register>> = {
  regional: async () => (await import('./serve.ts')).registerRegionalCommand,
  bootstrap: async () => (await import('./bootstrap.ts')).registerBootstrapCommand,
  keys: async () => (await import('./keys.ts')).registerKeysCommands,
  roles: async () => (await import('./roles.ts')).registerRolesCommands,
  'control-plane': async () => (await import('./control-plane.ts')).registerControlPlaneCommand,
  migrate: async () => (await import('./migrate.ts')).registerMigrateCommand,
};

const program = new Command('iam')
  .description('Regional IAM: validates unified API keys next to each Elasticsearch fleet.')
  .option('--env-file <path>', 'read settings from a file; what the environment sets wins')
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError('(--help shows what there is)')
  .addHelpText('after', exitCodeHelp)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage))
  .hook('preAction', (main) => {
    const { envFile } = main.opts<{ envFile?: string }>();
    if (envFile !== undefined) loadEnvFile(envFile, process.env);
    // Before anything asynchronous: that would start the pool.
    startThreadPool(process.env);
  });

const asked = process.argv.slice(2).find((argument) => Object.hasOwn(commands, argument));
const loaders = Object.entries(commands).filter(([name]) => asked === undefined || name === asked);
for (const [, load] of loaders) (await load())(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = await reportFailure(error);
}
