import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';

/**
 * Adds the settings of a file (`NAME=value` lines) to an environment. Existing variables take precedence.
 * @throws Error if the file cannot be read
 */
export function loadEnvFile(path: string, environment: NodeJS.ProcessEnv): void {
  let text: string;
  try {
    // Synchronous: an asynchronous read would start the thread pool before its size is set.
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(
      `The file ${path} of --env-file cannot be read (${(error as NodeJS.ErrnoException).code}).`,
    );
  }
  for (const [name, value] of Object.entries(parseEnv(text))) environment[name] ??= value;
}
