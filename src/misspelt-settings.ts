import { settings } from './config.ts';
import { suggestion } from './lib/suggestion.ts';

const KNOWN = Object.keys(settings);

/**
 * Finds variables that are no setting but differ from one by one or two letters. Other variables of an environment, such
 * as those that Kubernetes adds for its services, differ by more.
 * @param others names that other parts of this program read
 */
export function misspeltSettings(
  environment: Readonly<Record<string, string | undefined>>,
  others: readonly string[] = [],
): { name: string; meant: string }[] {
  return Object.keys(environment).flatMap((name) => {
    if (KNOWN.includes(name) || others.includes(name)) return [];
    const meant = suggestion(name, KNOWN);
    return meant === undefined ? [] : [{ name, meant }];
  });
}
