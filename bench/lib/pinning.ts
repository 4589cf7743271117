import { execFileSync, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Which processors the measured process gets, and which all the rest. */
export interface Pinning {
  server: string;
  others: string;
}

/**
 * The measured process alone on processor 0; load generator, Postgres and Redis on the others. `undefined` where
 * there is no `taskset` or one processor only: figures are then those of a process that shares its core.
 *
 * Call it once, before anything else: it moves this process, and whatever it starts afterwards, off processor 0.
 */
export function pinSelf(): Pinning | undefined {
  const processors = availableParallelism();
  if (processors < 2 || spawnSync('taskset', ['--version']).status !== 0) return undefined;
  const pinning = { server: '0', others: processors === 2 ? '1' : `1-${processors - 1}` };
  execFileSync('taskset', ['-a', '-c', '-p', pinning.others, String(process.pid)], { stdio: 'ignore' });
  return pinning;
}

/** Command line that starts a program on the given processors. */
export function pinned(processors: string | undefined, command: string, args: readonly string[]) {
  return processors === undefined
    ? { command, args: [...args] }
    : { command: 'taskset', args: ['-c', processors, command, ...args] };
}
