import { settings } from '../config.ts';
import { LOGINS } from '../database/logins.ts';
import { misspeltSettings } from '../misspelt-settings.ts';

/** Variables that single commands read, besides the settings. */
const OTHERS = ['MIGRATE_DATABASE_URL', 'SUBSCRIBE_TO', 'SUBSCRIPTION_NAME', 'ELASTICSEARCH_API_KEY'];

const KNOWN = [
  ...Object.keys(settings),
  ...LOGINS.map(({ passwordVariable }) => passwordVariable),
  ...OTHERS,
];

/** One sentence for each variable of this process that looks like a misspelt setting. */
export function misspeltVariables(): string[] {
  return misspeltSettings(process.env, KNOWN).map(
    ({ name, meant }) => `${name} is not a setting and has no effect; did you mean ${meant}?`,
  );
}
