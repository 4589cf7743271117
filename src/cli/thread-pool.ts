import { availableParallelism } from 'node:os';

/** Threads beside those that hash: look-ups of host names and file reads must not queue behind argon2. */
const OTHER_WORK_THREADS = 4;

/** How many threads libuv needs so that as many hashes as are allowed run at a time. */
export function threadPoolSize(argon2Concurrency: string | undefined): number {
  const asked = Number(argon2Concurrency || availableParallelism());
  // A value that is no number is refused by the configuration, with a better message than one from here.
  return (Number.isSafeInteger(asked) && asked > 0 ? asked : availableParallelism()) + OTHER_WORK_THREADS;
}

/**
 * Sets `UV_THREADPOOL_SIZE` unless an operator did. libuv reads it when the pool gets its first piece of work, so
 * setting it from inside the process counts as long as nothing asynchronous (files, DNS, crypto) has run before.
 */
export function sizeThreadPool(environment: NodeJS.ProcessEnv): void {
  environment.UV_THREADPOOL_SIZE ||= String(threadPoolSize(environment.ARGON2_CONCURRENCY));
}
