import { suggestion } from './lib/suggestion.ts';

/** Variables of other programs that resemble a setting: OpenSSL's file resembles TLS_CERT_FILE. */
const FOREIGN = ['SSL_CERT_FILE'];

/** A variable that is no setting, and the setting that it resembles. */
export interface Misspelling {
  name: string;
  meant: string;
}

/**
 * Finds variables that are no setting but differ from one by one or two letters. Other variables of an environment, such
 * as those that Kubernetes adds for its services, differ by more.
 * @param known names of all settings
 */
export function misspeltSettings(
  environment: Readonly<Record<string, unknown>>,
  known: readonly string[],
): Misspelling[] {
  return Object.keys(environment).flatMap((name) => {
    if (known.includes(name) || FOREIGN.includes(name)) return [];
    const meant = suggestion(name, known);
    return meant === undefined ? [] : [{ name, meant }];
  });
}
