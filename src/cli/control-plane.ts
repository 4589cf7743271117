import type { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { runService } from './run-service.ts';

/** `iam control-plane` */
export function registerControlPlaneCommand(program: Command): void {
  program
    .command('control-plane')
    .description('run the control plane: the life cycle of keys and custom roles')
    .addHelpText(
      'after',
      '\nSettings come from the environment; PRIMARY_DATABASE_URL is required. Stops in order on SIGTERM or SIGINT.',
    )
    .action(async () => {
      const config = loadConfig(process.env, ['PRIMARY_DATABASE_URL']);
      const { startControlPlane } = await import('../control-plane/start.ts');
      await runService('iam-control-plane', config, (logger) => startControlPlane(config, logger));
    });
}
