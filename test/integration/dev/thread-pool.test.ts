import { expect, it } from 'vitest';
import { threadPoolSize } from '../../../src/cli/thread-pool.ts';
import { runScript } from '../../support/servers/run-script.ts';

const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

/** Threads of a process before and after it hashed more secrets at a time than any pool has threads. */
async function threadsAdded(setUp: string): Promise<number> {
  const output = await runScript(`
    import { readdirSync } from 'node:fs';
    const { sizeThreadPool } = await import(${url('../../../src/cli/thread-pool.ts')});
    const { hashSecret } = await import(${url('../../../src/credential/hash.ts')});
    ${setUp}
    const threads = () => readdirSync('/proc/self/task').length;
    const before = threads();
    const parameters = { memoryKiB: 1024, timeCost: 1, parallelism: 1 };
    await Promise.all(Array.from({ length: 50 }, () => hashSecret('secret', parameters)));
    console.log(threads() - before);
  `);
  return Number(output);
}

// Only Linux shows the threads of a process as files.
it.runIf(process.platform === 'linux')(
  'the thread pool has room for every hash that may run at a time, set from inside the process',
  async () => {
    const added = await threadsAdded(
      `sizeThreadPool(Object.assign(process.env, { ARGON2_CONCURRENCY: '9' }));`,
    );
    expect(added).toBe(threadPoolSize('9'));
  },
);

it.runIf(process.platform === 'linux')('an operator who sets UV_THREADPOOL_SIZE is obeyed', async () => {
  const added = await threadsAdded(
    `sizeThreadPool(Object.assign(process.env, { ARGON2_CONCURRENCY: '9', UV_THREADPOOL_SIZE: '6' }));`,
  );
  expect(added).toBe(6);
});

it('a concurrency that is no number leaves the size to the machine', () => {
  expect(threadPoolSize('many')).toBe(threadPoolSize(undefined));
  expect(threadPoolSize('-3')).toBe(threadPoolSize(undefined));
});
