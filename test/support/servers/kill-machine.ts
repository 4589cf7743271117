import { execFileSync } from 'node:child_process';
import type { PostgresServer } from '../../../dev/postgres/server.ts';

/**
 * Sends SIGKILL to a Postgres and all its processes at once, like the loss of its machine. After a SIGKILL of the postmaster alone,
 * its other processes still finish their work.
 */
export function killMachine({ pid }: PostgresServer): void {
  const children = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === pid);
  for (const process_ of [pid, ...children.map(([child]) => child as number)]) {
    try {
      process.kill(process_, 'SIGKILL');
    } catch {} // exited already
  }
}
