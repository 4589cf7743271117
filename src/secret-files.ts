import { readFileSync } from 'node:fs';

/** Names and values, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The variables that name files of secrets. @param names of secret settings */
export function secretFileVariables(names: readonly string[]): string[] {
  return names.map((name) => `${name}_FILE`);
}

/**
 * Reads secrets from files: `NAME_FILE` is the path of a file with the value of `NAME`, without its last line break.
 * @returns the environment with these values, and what is wrong with the files; a problem names the variable, never a value
 */
export function withSecretFiles(environment: Environment, names: readonly string[]) {
  const values: Record<string, string | undefined> = { ...environment };
  const problems: string[] = [];
  for (const name of names) {
    const path = environment[`${name}_FILE`];
    if (path === undefined) continue;
    if (environment[name] !== undefined) {
      problems.push(`${name}_FILE: set either ${name} or ${name}_FILE`);
      continue;
    }
    try {
      const text = readSecretFile(path);
      if (text === '') problems.push(`${name}_FILE: the file is empty`);
      else values[name] = text;
    } catch (error) {
      problems.push(`${name}_FILE: the file cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
  }
  return { values, problems };
}

/** The secrets that files contain, by variable. A file that cannot be read is left out. @param names of secret settings */
export function secretFileContents(environment: Environment, names: readonly string[]): [string, string][] {
  return secretFileVariables(names).flatMap((variable): [string, string][] => {
    const path = environment[variable];
    if (!path) return [];
    try {
      return [[variable, readSecretFile(path)]];
    } catch {
      return []; // while it is replaced
    }
  });
}

/** Synchronous: an asynchronous read would start the thread pool before its size is set. */
function readSecretFile(path: string): string {
  return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
}
