import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { signalAndWait, workingDirectoryOf } from '../child-process.ts';

/** Returns the pid of the postmaster that serves `dataDirectory` now, undefined if there is none. */
async function runningPostmaster(dataDirectory: string): Promise<number | undefined> {
  let recorded: string[];
  let directory: string;
  try {
    directory = await realpath(dataDirectory);
    recorded = (await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8')).split('\n');
  } catch {
    return undefined;
  }
  // Lines 1 and 2 of the lock file are the pid and the data directory (miscadmin.h, LOCK_FILE_LINE_*).
  const pid = Number(recorded[0]);
  const claimed = await realpath(recorded[1] ?? '').catch(() => undefined);
  if (!Number.isSafeInteger(pid) || pid <= 1 || claimed !== directory) return undefined;
  // The file can outlive its process and pids are reused, so the process must also work in the directory.
  return (await workingDirectoryOf(pid)) === directory ? pid : undefined;
}

/**
 * Stops a postmaster that an earlier run left on `dataDirectory` (its supervisor was killed with SIGKILL).
 * It signals only a process that verifiably serves this directory.
 * @returns the pid, or undefined if there was none
 */
export async function stopLeftoverPostmaster(dataDirectory: string): Promise<number | undefined> {
  const pid = await runningPostmaster(dataDirectory);
  if (pid === undefined) return undefined;
  const directory = await realpath(dataDirectory);
  if (await signalAndWait(pid, 'SIGINT', directory, 3_000)) return pid;
  if (await signalAndWait(pid, 'SIGQUIT', directory, 3_000)) return pid;
  if (await signalAndWait(pid, 'SIGKILL', directory, 3_000)) return pid;
  throw new Error(`The Postgres of an earlier run (process ${pid}) on ${dataDirectory} cannot be stopped.`);
}
