import { Session } from 'node:inspector/promises';

/**
 * Runs inside a measured process (`--import`) and executes commands of the benchmark from the IPC channel. It uses no
 * processor time between commands.
 */
const session = new Session();

const commands: Record<string, () => Promise<unknown>> = {
  /**
   * Memory before and after a collection that returns free pages to the system, as V8 does when it is idle. Needs
   * `--expose-gc`.
   */
  memory: async () => {
    const beforeCollection = process.memoryUsage();
    for (let round = 0; round < 4; round += 1) {
      globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return { beforeCollection, afterCollection: process.memoryUsage() };
  },
  'start profile': async () => {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: 200 });
    await session.post('Profiler.start');
  },
  'stop profile': async () => (await session.post('Profiler.stop')).profile,
};

async function execute(command: string): Promise<void> {
  process.send?.({ [command]: await commands[command]?.() });
}

process.on('message', (command: string) => void execute(command));
