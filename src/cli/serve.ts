import type { Command } from 'commander';

/** `iam regional`. */
export function registerRegionalCommand(program: Command): void {
  program
    .command('regional')
    .description('Run the regional authentication service.')
    .addHelpText(
      'after',
      '\nReads its settings from the environment; REPLICA_DATABASE_URL is required. SIGTERM and SIGINT shut it down gracefully.',
    )
    .action(async () => {
      const [{ loadConfig }, { startRegionalService }, { runService }] = await Promise.all([
        import('../config.ts'),
        import('../regional/regional-service.ts'),
        import('./run-service.ts'),
      ]);
      const config = loadConfig(process.env, ['REPLICA_DATABASE_URL']);
      await runService('iam-regional', config, (logger) => startRegionalService(config, logger));
    });
}
