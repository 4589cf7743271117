import { readFileSync } from 'node:fs';

type Environment = Readonly<Record<string, string | undefined>>;

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
      // Synchronous: an asynchronous read would start the thread pool before its size is set.
      const text = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
      if (text === '') problems.push(`${name}_FILE: the file is empty`);
      else values[name] = text;
    } catch (error) {
      problems.push(`${name}_FILE: the file cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
  }
  return { values, problems };
}
