import type { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { runService } from './run-service.ts';

/** `iam control-plane` */
export function registerControlPlaneCommand(program: Command): void {
  program
    .command('control-plane')
    .description('Run the control plane, which manages keys and custom roles.')
    .addHelpText(
      'after',
      '\nReads its settings from the environment; PRIMARY_DATABASE_URL is required. SIGTERM and SIGINT shut it down gracefully.',
    )
    .action(async () => {
      const config = loadConfig(process.env, ['PRIMARY_DATABASE_URL']);
      const { startControlPlane } = await import('../control-plane/start.ts');
      await runService('iam-control-plane', config, (logger) => startControlPlane(config, logger));
    });
}
