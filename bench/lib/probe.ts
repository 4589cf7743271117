import { Session } from 'node:inspector/promises';

/**
 * Loaded into a measured process with `--import`; answers questions of the benchmark over the IPC channel. Costs the
 * process nothing while nobody asks.
 */
const session = new Session();

const answers: Record<string, () => Promise<unknown>> = {
  /** Memory after a collection that also gives pages back to the system, as V8 does when it idles (needs `--expose-gc`). */
  memory: async () => {
    const asTheLoadLeftIt = process.memoryUsage();
    for (let round = 0; round < 4; round += 1) {
      globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return { asTheLoadLeftIt, collected: process.memoryUsage() };
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
