import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startTimeOf } from './child-process.ts';

export const LOCK_FILE = 'lock';

/**
 * Locks a state directory for this process. Without the lock, a second start in the same project on other ports would
 * treat the running Postgres as a leftover and stop it. The lock contains the holder's pid and start time, so neither
 * a crash nor a reused pid blocks a start.
 * @returns a function that releases the lock
 * @throws Error that names the holder
 */
export async function lockStateDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, LOCK_FILE);
  const own = `${process.pid} ${await startTimeOf(process.pid)}\n`;
  for (;;) {
    try {
      await writeFile(path, own, { flag: 'wx', mode: 0o600 });
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = await readFile(path, 'utf8').catch(() => '');
    const [pid = '', ...startTime] = holder.trim().split(' ');
    if (pid && (await startTimeOf(Number(pid))) === startTime.join(' ')) {
      throw new Error(`${directory} is in use by process ${pid}. Stop that process first.`);
    }
    await rm(path, { force: true });
  }
}
