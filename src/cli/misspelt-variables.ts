import { SECRET_SETTINGS, settings } from '../config.ts';
import { misspeltSettings } from '../misspelt-settings.ts';
import { secretFileVariables } from '../secret-files.ts';
import { COMMAND_VARIABLES } from './command-variables.ts';

const KNOWN = [
  ...Object.keys(settings),
  ...secretFileVariables(SECRET_SETTINGS),
  ...COMMAND_VARIABLES.map(({ name }) => name),
];

/** One sentence for each variable of this process that looks like a misspelt setting. */
export function misspeltVariables(): string[] {
  return misspeltSettings(process.env, KNOWN).map(
    ({ name, meant }) => `${name} is not a setting and has no effect; did you mean ${meant}?`,
  );
}
