import { getPriority } from 'node:os';
import { describe, expect, it } from 'vitest';
import { threadPoolSize } from '../../../src/cli/thread-pool.ts';
import { runScript } from '../../support/servers/run-script.ts';

/** The kernel limits nice values to 19, so a test run with a nice value sees a smaller difference. */
const LOWERED_BY = Math.min(10, 19 - getPriority());
const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

/** Relative nice values of the threads that a process adds when it hashes more secrets at once than any pool has threads. */
async function addedThreads(settings: Record<string, string>): Promise<number[]> {
  const output = await runScript(`
    import { readdirSync } from 'node:fs';
    import { getPriority } from 'node:os';
    const { startThreadPool } = await import(${url('../../../src/cli/thread-pool.ts')});
    const { hashSecret } = await import(${url('../../../src/credential/hash.ts')});
    const threads = () => readdirSync('/proc/self/task').map(Number);
    const before = new Set(threads());
    startThreadPool(Object.assign(process.env, ${JSON.stringify(settings)}));
    const parameters = { memoryKiB: 1024, timeCost: 1, parallelism: 1 };
    await Promise.all(Array.from({ length: 50 }, () => hashSecret('secret', parameters)));
    const added = threads().filter((thread) => !before.has(thread));
    console.log(JSON.stringify(added.map((thread) => getPriority(thread) - getPriority())));
  `);
  return JSON.parse(output);
}

// Only Linux lists threads as files and has a priority per thread.
describe.runIf(process.platform === 'linux')('the thread pool', () => {
  it('has one thread per concurrent hash, at a lower priority than the event loop', async () => {
    expect(await addedThreads({ ARGON2_CONCURRENCY: '9' })).toEqual(
      Array.from({ length: 9 }, () => LOWERED_BY),
    );
  });

  it('has the size that UV_THREADPOOL_SIZE sets', async () => {
    const added = await addedThreads({ ARGON2_CONCURRENCY: '9', UV_THREADPOOL_SIZE: '6' });
    expect(added).toEqual(Array.from({ length: 6 }, () => LOWERED_BY));
  });
});

it('ignores a concurrency that is not a positive number', () => {
  expect(threadPoolSize('many')).toBe(threadPoolSize(undefined));
  expect(threadPoolSize('-3')).toBe(threadPoolSize(undefined));
});
