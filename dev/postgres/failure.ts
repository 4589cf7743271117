/** Postgres cannot use its data directory, because files are missing or damaged. */
export class DamagedDataDirectory extends Error {}

/** Checked after the known causes: a full disk can end in a PANIC too. */
const DAMAGE =
  /PANIC: |No such file or directory|incorrect checksum|valid checkpoint record|read \d+ of \d+|required WAL directory/;

/** Known causes of a failed initdb or Postgres start, each with what to do. */
const CAUSES: readonly [pattern: RegExp, sentence: (directory: string) => string][] = [
  [
    /No space left on device|ENOSPC|File too large|EFBIG|Disk quota exceeded|EDQUOT/,
    (directory) => `The disk or quota for ${directory} is full. Free about 200 MB and start again.`,
  ],
  [
    /Read-only file system|EROFS/,
    (directory) => `${directory} is on a read-only file system. Use a clone on a writable one.`,
  ],
  [
    /Permission denied|EACCES|EPERM/,
    (directory) =>
      `Postgres may not write to ${directory}. Check the owner and the permissions of the folder.`,
  ],
  [
    /could not (?:create|map|attach to) (?:anonymous )?shared memory|could not create semaphores/i,
    () =>
      'The system refuses shared memory to Postgres. Raise its limits (memory, kernel.shmmax, kernel.sem).',
  ],
  [
    /could not bind|Address already in use/,
    () => 'Another process uses the port. Stop it, or move all ports: npm start -- --port-base 18080',
  ],
];

/**
 * Explains a failed initdb or Postgres start in one sentence if its cause is known. The output follows in any case.
 * @param what such as `initdb failed`
 */
export function postgresFailure(what: string, directory: string, output: string): Error {
  const cause = CAUSES.find(([pattern]) => pattern.test(output));
  if (cause !== undefined) {
    return new Error(`${cause[1](directory)}\n${what}. Last lines of its output:\n${lastLines(output)}`);
  }
  const text = `${what} for ${directory}.\nLast lines of its output:\n${lastLines(output)}`;
  return DAMAGE.test(output) ? new DamagedDataDirectory(text) : new Error(text);
}

const MAX_LINES = 20;

function lastLines(output: string): string {
  return output.trim().split('\n').slice(-MAX_LINES).join('\n');
}
