import { z } from 'zod';
import { RULES } from './config/rules.ts';
import { schema as separate, settings, type Values } from './config/settings.ts';
import { misspeltSettings } from './misspelt-settings.ts';
import { type Environment, secretFileContents, withSecretFiles } from './secret-files.ts';

export { MAX_CLOCK_TOLERANCE_MS } from './config/freshness.ts';
export { settings } from './config/settings.ts';
export type { Environment } from './secret-files.ts';

const schema = separate.superRefine((values, context) => {
  for (const { setting, message, isBroken } of RULES) {
    if (isBroken(values)) context.addIssue({ code: 'custom', path: [setting], message });
  }
});

/** Settings whose values are secret, so that a file may contain them. */
export const SECRET_SETTINGS: readonly string[] = Object.entries(settings)
  .filter(([, setting]) => z.globalRegistry.get(setting)?.secret === true)
  .map(([name]) => name);

/** Points at a variable that is probably this setting. */
function hint(missing: string, environment: Readonly<Record<string, unknown>>): string {
  const { name } =
    misspeltSettings(environment, Object.keys(settings)).find(({ meant }) => meant === missing) ?? {};
  return name === undefined ? '' : ` (${name} is set; is it misspelt?)`;
}

/** The typed settings with their defaults. */
export type Config = Omit<Values, 'ACCEPTED_CREDENTIAL_PREFIXES'> & {
  ACCEPTED_CREDENTIAL_PREFIXES: string[];
};

/** A missing or invalid setting. The message names it and never contains its value. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/**
 * Reads the settings from an environment. Empty values count as unset (`FOO=` in an env file). A secret `FOO` may be in the file
 * that `FOO_FILE` names.
 * @throws {ConfigError} with one line for each invalid setting
 */
export function loadConfig(environment: Environment, required: readonly (keyof Values)[] = []): Config {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const files = withSecretFiles(given, SECRET_SETTINGS);
  const parsed = schema.safeParse(files.values);
  const problems =
    files.problems.length > 0
      ? files.problems
      : parsed.success
        ? required
            .filter((name) => parsed.data[name] === undefined)
            .map((name) => `${name}: required; ${settings[name].description}${hint(name, given)}`)
        : parsed.error.issues.map((issue) => `${String(issue.path[0])}: ${issue.message}`);
  if (!parsed.success || problems.length > 0) throw invalid(problems);
  const { data } = parsed;
  return {
    ...data,
    ACCEPTED_CREDENTIAL_PREFIXES: data.ACCEPTED_CREDENTIAL_PREFIXES ?? [data.CREDENTIAL_PREFIX],
  };
}

/** Secrets that a running service reads again from their files. A change of another file takes a restart. */
export const RELOADED_SETTINGS = ['CLIENT_AUTHENTICATION_SECRETS', 'FORWARDING_SECRETS'] as const;
export type ReloadedSecrets = Pick<Config, (typeof RELOADED_SETTINGS)[number]>;

/**
 * Those of RELOADED_SETTINGS that are in files, as these are now, each on its own: a file that breaks must not keep a secret of another
 * one valid. `problem` names the files that are invalid, whose settings are left out.
 */
export function rereadSecrets(environment: Environment): {
  secrets: Partial<ReloadedSecrets>;
  problem: ConfigError | undefined;
} {
  const inFiles = RELOADED_SETTINGS.filter((name) => environment[`${name}_FILE`]);
  const { values, problems } = withSecretFiles(
    Object.fromEntries(inFiles.map((name) => [`${name}_FILE`, environment[`${name}_FILE`]])),
    inFiles,
  );
  const secrets: Partial<ReloadedSecrets> = {};
  for (const name of inFiles.filter((one) => values[one] !== undefined)) {
    const { data, error } = settings[name].safeParse(values[name]);
    if (data !== undefined) secrets[name] = data;
    problems.push(...(error?.issues ?? []).map(({ message }) => `${name}_FILE: ${message}`));
  }
  return { secrets, problem: problems.length > 0 ? invalid(problems) : undefined };
}

/** The contents of the files of secrets that only a restart reads again, by variable. A file that cannot be read is left out. */
export function filesReadAtStart(environment: Environment): [string, string][] {
  const names = SECRET_SETTINGS.filter((name) => !(RELOADED_SETTINGS as readonly string[]).includes(name));
  return secretFileContents(environment, names);
}

function invalid(problems: readonly string[]): ConfigError {
  return new ConfigError(`The configuration is invalid:\n${problems.map((line) => `  ${line}`).join('\n')}`);
}
