import { readFile } from 'node:fs/promises';

/** USER_HZ on every Linux platform that Node supports. */
const TICKS_PER_SECOND = 100;

/**
 * Processor time of a process in seconds (user and system), with a resolution of 10 ms; NaN if there is no /proc.
 * Other users of the machine disturb it less than throughput.
 */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return Number.NaN;
  // proc_pid_stat(5): fields 14 and 15; field 2, a name in parentheses, may contain spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
