import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';

/**
 * Adds the settings of a file (`NAME=value` lines) to an environment. Existing variables take precedence.
 * @returns why the file cannot be read
 */
export function loadSettingsFile(path: string, environment: NodeJS.ProcessEnv): string | undefined {
  let text: string;
  try {
    // Synchronous: an asynchronous read would start the thread pool before its size is set.
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return `The file ${path} of --settings cannot be read (${(error as NodeJS.ErrnoException).code}).`;
  }
  for (const [name, value] of Object.entries(parseEnv(text))) environment[name] ??= value;
  return undefined;
}
