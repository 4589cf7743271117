import { access, readdirSync } from 'node:fs';
import { availableParallelism, constants, getPriority, setPriority } from 'node:os';

/** Nice value that the hashing threads get in addition. */
const LOWER_BY = constants.priority.PRIORITY_BELOW_NORMAL;

/**
 * Number of libuv threads: exactly as many as concurrent hashes. With more threads they take turns, and each accumulates
 * unused processor time. On a shared processor the kernel then runs a whole hash before the event loop (ADR 10).
 */
export function threadPoolSize(argon2Concurrency: string | undefined): number {
  const requested = Number(argon2Concurrency || availableParallelism());
  // The configuration refuses an invalid number with a better message.
  return Number.isSafeInteger(requested) && requested > 0 ? requested : availableParallelism();
}

/**
 * Starts libuv's thread pool at a lower priority than the event loop, so that requests without a hash do not wait for hashes on
 * a shared processor. `UV_THREADPOOL_SIZE` overrides the number of threads.
 *
 * The pool reads its size when its first work arrives, so no asynchronous work (files, DNS, crypto) may run before. Only Linux
 * has priorities per thread.
 */
export function startThreadPool(environment: NodeJS.ProcessEnv): void {
  environment.UV_THREADPOOL_SIZE ||= String(threadPoolSize(environment.ARGON2_CONCURRENCY));
  if (process.platform !== 'linux') return;
  try {
    const others = new Set(threads());
    access('.', () => {}); // any work starts all threads of the pool, synchronously
    for (const thread of threads()) if (!others.has(thread)) lowerPriority(thread);
  } catch {
    // A sandbox may hide /proc or forbid the change: all threads then keep their priority.
  }
}

/** Ids of this process' threads. */
function threads(): number[] {
  return readdirSync('/proc/self/task').map(Number);
}

function lowerPriority(thread: number): void {
  setPriority(thread, Math.min(getPriority() + LOWER_BY, constants.priority.PRIORITY_LOW));
}
