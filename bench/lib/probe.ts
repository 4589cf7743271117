import { Session } from 'node:inspector/promises';

/**
 * Loaded into a measured process with `--import`; answers questions of the benchmark over the IPC channel. Costs the
 * process nothing while nobody asks.
 */
const session = new Session();

const answers: Record<string, () => Promise<unknown>> = {
  /** Memory after everything that can be collected was (needs `--expose-gc`). */
  memory: async () => {
    for (let round = 0; round < 4; round += 1) {
      globalThis.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return process.memoryUsage();
  },
  'start profile': async () => {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: 200 });
    await session.post('Profiler.start');
  },
  'stop profile': async () => (await session.post('Profiler.stop')).profile,
};

async function answer(question: string): Promise<void> {
  process.send?.({ [question]: await answers[question]?.() });
}

process.on('message', (question: string) => void answer(question));
