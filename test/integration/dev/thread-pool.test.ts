import { describe, expect, it } from 'vitest';
import { threadPoolSize } from '../../../src/cli/thread-pool.ts';
import { runScript } from '../../support/servers/run-script.ts';

const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

/** Nice values of the threads that a process has more, after it hashed more secrets at a time than any pool has threads. */
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

// Only Linux shows the threads of a process as files, and gives them priorities of their own.
describe.runIf(process.platform === 'linux')('the thread pool', () => {
  it('has a thread for every hash that may run at a time, of a lower priority than the event loop', async () => {
    expect(await addedThreads({ ARGON2_CONCURRENCY: '9' })).toEqual(Array.from({ length: 9 }, () => 10));
  });

  it('has as many as an operator asks for with UV_THREADPOOL_SIZE', async () => {
    const added = await addedThreads({ ARGON2_CONCURRENCY: '9', UV_THREADPOOL_SIZE: '6' });
    expect(added).toEqual(Array.from({ length: 6 }, () => 10));
  });
});

it('a concurrency that is no number leaves the size to the machine', () => {
  expect(threadPoolSize('many')).toBe(threadPoolSize(undefined));
  expect(threadPoolSize('-3')).toBe(threadPoolSize(undefined));
});
