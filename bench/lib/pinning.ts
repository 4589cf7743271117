import { execFileSync, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Processors of the measured process and of all other processes. */
export interface Pinning {
  server: string;
  others: string;
}

/**
 * Reserves processor 0 for the measured process; load generator, Postgres and Redis use the others. Returns `undefined`
 * without `taskset` or with a single processor: the measured process then shares its core.
 *
 * Call this function once, before anything else: it moves this process and its later children off processor 0.
 */
export function pinSelf(): Pinning | undefined {
  const processors = availableParallelism();
  if (processors < 2 || spawnSync('taskset', ['--version']).status !== 0) return undefined;
  const pinning = { server: '0', others: processors === 2 ? '1' : `1-${processors - 1}` };
  execFileSync('taskset', ['-a', '-c', '-p', pinning.others, String(process.pid)], { stdio: 'ignore' });
  return pinning;
}

/** Returns the command line that starts a program on the given processors. */
export function pinnedCommand(processors: string | undefined, command: string, args: readonly string[]) {
  return processors === undefined
    ? { command, args: [...args] }
    : { command: 'taskset', args: ['-c', processors, command, ...args] };
}
