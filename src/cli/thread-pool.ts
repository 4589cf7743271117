import { access, readdirSync } from 'node:fs';
import { availableParallelism, constants, getPriority, setPriority } from 'node:os';

/** What the priority of threads that hash is lower by, as a nice value. */
const LOWER_BY = constants.priority.PRIORITY_BELOW_NORMAL;

/**
 * How many threads libuv needs so that as many hashes as are allowed run at a time. Not one more: where threads take
 * turns at hashing, each has processor time to its credit when its turn comes, and on a shared processor the kernel
 * lets it hash to the end before the event loop runs.
 */
export function threadPoolSize(argon2Concurrency: string | undefined): number {
  const asked = Number(argon2Concurrency || availableParallelism());
  // A value that is no number is refused by the configuration, with a better message than one from here.
  return Number.isSafeInteger(asked) && asked > 0 ? asked : availableParallelism();
}

/**
 * Starts libuv's thread pool, of `UV_THREADPOOL_SIZE` threads where an operator set that, with a lower priority than
 * the event loop's: on a shared processor a request that needs no hash does not wait for those that do.
 *
 * The pool starts with its first piece of work and reads its size then, so nothing asynchronous (files, DNS, crypto)
 * may have run before. Threads have priorities of their own on Linux alone; elsewhere all are equal.
 */
export function startThreadPool(environment: NodeJS.ProcessEnv): void {
  environment.UV_THREADPOOL_SIZE ||= String(threadPoolSize(environment.ARGON2_CONCURRENCY));
  if (process.platform !== 'linux') return;
  try {
    const others = new Set(threads());
    access('.', () => {}); // any work will do; all threads of the pool are there when this returns
    for (const thread of threads()) if (!others.has(thread)) lowerPriority(thread);
  } catch {
    // A sandbox may hide /proc or forbid it: then all are equal there, too.
  }
}

/** Ids of this process' threads. */
function threads(): number[] {
  return readdirSync('/proc/self/task').map(Number);
}

function lowerPriority(thread: number): void {
  setPriority(thread, Math.min(getPriority() + LOWER_BY, constants.priority.PRIORITY_LOW));
}
