import { readFile } from 'node:fs/promises';

/** USER_HZ of every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/**
 * Processor seconds a process has used, user and system, with a resolution of 10 ms; NaN where there is no /proc.
 * On a machine that others use too this says more than throughput does.
 */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return Number.NaN;
  // proc_pid_stat(5): fields 14 and 15; field 2, a name in parentheses, may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
