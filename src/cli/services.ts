import type { Command } from 'commander';

// Each action imports what it needs, so that `--help` and the other service start without it.

const helpFor = (required: string) =>
  `\nReads its settings from the environment; ${required} is required. SIGTERM and SIGINT shut it down gracefully.`;

/** `iam regional` */
export function registerRegionalCommand(program: Command): void {
  program
    .command('regional')
    .description('Run the regional authentication service.')
    .addHelpText('after', helpFor('REPLICA_DATABASE_URL'))
    .action(async () => {
      const [{ loadConfig }, { startRegionalService }, { assertVerified }, { runService }] =
        await Promise.all([
          import('../config.ts'),
          import('../regional/regional-service.ts'),
          import('../database/verified-connection.ts'),
          import('./run-service.ts'),
        ]);
      const config = loadConfig(process.env, ['REPLICA_DATABASE_URL']);
      for (const setting of ['REPLICA_DATABASE_URL', 'CHANGE_FEED_DATABASE_URL'] as const)
        assertVerified(config[setting] ?? '', setting);
      await runService('iam-regional', config, (logger) => startRegionalService(config, logger, process.env));
    });
}

/** `iam control-plane` */
export function registerControlPlaneCommand(program: Command): void {
  program
    .command('control-plane')
    .description('Run the control plane, which manages keys and custom roles.')
    .addHelpText('after', helpFor('PRIMARY_DATABASE_URL'))
    .action(async () => {
      const [{ loadConfig }, { startControlPlane }, { assertVerified }, { runService }] = await Promise.all([
        import('../config.ts'),
        import('../control-plane/start.ts'),
        import('../database/verified-connection.ts'),
        import('./run-service.ts'),
      ]);
      const config = loadConfig(process.env, ['PRIMARY_DATABASE_URL']);
      assertVerified(config.PRIMARY_DATABASE_URL ?? '', 'PRIMARY_DATABASE_URL');
      await runService('iam-control-plane', config, (logger) =>
        startControlPlane(config, logger, process.env),
      );
    });
}
