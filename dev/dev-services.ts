import { join } from 'node:path';
import { childEnvironment, type ServerExit } from './child-process.ts';
import { logTail } from './log-files.ts';
import type { ProcessGroup, StackProcess } from './process-group.ts';
import { startService } from './service-process.ts';
import { controlPlaneSettings, regionalSettings, type ServiceSettingsOptions } from './service-settings.ts';
import { settleBoth } from './settle-both.ts';
import type { StateDirectory } from './state-directory.ts';

interface DevServicesOptions extends ServiceSettingsOptions {
  state: StateDirectory;
  processes: ProcessGroup;
}

/** Starts the regional service and the control plane, and waits until both are ready. */
export async function startDevServices(options: DevServicesOptions): Promise<void> {
  const { plan } = options;
  await settleBoth(
    startOne(options, {
      name: 'regional service',
      command: 'regional',
      managementPort: plan.regionalManagement,
      settings: regionalSettings(options),
      exitEffect: () => 'fatal',
    }),
    startOne(options, {
      name: 'control plane',
      command: 'control-plane',
      managementPort: plan.controlPlaneManagement,
      settings: controlPlaneSettings(options),
      // A developer may stop it to see that regions keep authenticating. A crash is fatal.
      exitEffect: ({ code, signal }) => (signal !== null || code === 0 ? 'degraded' : 'fatal'),
    }),
  );
}

interface OneService {
  name: string;
  command: 'regional' | 'control-plane';
  managementPort: number;
  settings: Record<string, string>;
  exitEffect: (exit: ServerExit) => ReturnType<StackProcess['exitEffect']>;
}

async function startOne({ state, processes }: DevServicesOptions, service: OneService): Promise<void> {
  const { name, command, managementPort, exitEffect } = service;
  const logFile = join(state.directory, 'logs', `${command}.log`);
  const running = await startService({
    name,
    command,
    env: { ...childEnvironment, ...service.settings },
    managementUrl: `http://127.0.0.1:${managementPort}`,
    logFile,
    pidFile: join(state.directory, `${command}.pid`),
  });
  const { pid, exited } = running;
  const stop = () => running.stop();
  processes.add({ name, pid, exited, stage: 0, stop, exitEffect, logTail: () => logTail(logFile) });
  await running.ready();
}
