import { z } from 'zod';
import { COMMAND_VARIABLES } from '../../src/cli/command-variables.ts';
import { RELOADED_SETTINGS, settings } from '../../src/config.ts';
import { code, GENERATED, table } from './markdown.ts';

interface Setting {
  name: string;
  /** Type and bounds. */
  values: string;
  /** Text of the default; `undefined` if there is none. */
  standard: string | undefined;
  /** The default depends on the machine: `standard` describes it. */
  standardIsProse: boolean;
  secret: boolean;
  description: string;
}

interface JsonSchema {
  type?: string;
  format?: string;
  pattern?: string;
  enum?: string[];
  minimum?: number;
  maximum?: number;
  secret?: boolean;
  description?: string;
}

function read(name: string, setting: z.ZodType): Setting {
  const schema = z.toJSONSchema(setting, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  const prose = z.globalRegistry.get(setting)?.default;
  return {
    name,
    values: valuesOf(setting, schema),
    standard: typeof prose === 'string' ? prose : defaultText(setting),
    standardIsProse: typeof prose === 'string',
    secret: schema.secret === true,
    description: schema.description ?? '',
  };
}

function defaultText(setting: z.ZodType): string | undefined {
  const value = setting.parse(undefined);
  return value === undefined ? undefined : Array.isArray(value) ? value.join(',') : String(value);
}

function valuesOf(setting: z.ZodType, schema: JsonSchema): string {
  if (isList(setting)) return 'list';
  if (schema.enum) return schema.enum.map(code).join(', ');
  if (schema.type === 'integer') return `integer, ${schema.minimum} to ${schema.maximum}`;
  if (schema.format === 'uri') return 'URL';
  if (schema.pattern) return `text, ${code(schema.pattern)}`;
  return 'text';
}

/** A list is a text in the environment and an array in the program. */
function isList(setting: z.ZodType): boolean {
  const output = z.toJSONSchema(setting, { io: 'output', unrepresentable: 'any' }) as JsonSchema;
  return output.type === 'array';
}

const all = () => Object.entries(settings).map(([name, setting]) => read(name, setting));

/** One row per setting. */
function settingsTable(): string {
  const rows = all().map((setting) => [
    code(setting.name) + (setting.secret ? ' (secret)' : ''),
    setting.values,
    standardCell(setting),
    setting.description,
  ]);
  return table(['Variable', 'Values', 'Default', 'Meaning'], rows);
}

function commandVariables(): string[][] {
  return COMMAND_VARIABLES.map(({ name, command, secret, description }) => [
    code(name) + (secret ? ' (secret)' : ''),
    code(`iam ${command}`),
    description,
  ]);
}

/** docs/configuration.md */
export function configurationPage(): string {
  return `${GENERATED}

# Configuration

Every setting is an environment variable. An empty value counts as unset. With an invalid value the process does not start;
its message names the setting without the value. ${code('iam --settings <path>')} reads a file of settings; the environment takes
precedence.

${settingsTable()}

A _secret_ value never appears in a log or an error. It may be in a file: ${code('NAME_FILE')} is the path of a file with the value of
${code('NAME')}, such as ${code('CACHE_KEYS_FILE')}. A service reads the files of
${RELOADED_SETTINGS.map(code).join(' and ')}, and those of the ${code('TLS_')} settings, again every 2 s.
It reads the others only at its start, such as ${code('CACHE_KEYS_FILE')}, those of database URLs and ${code('REDIS_URL')}, and the authorities of
${code('REDIS_CA_FILE')} and ${code('CONTROL_PLANE_CA_FILE')}: restart it after a change. A changed file of a secret that waits for a restart is a
warning in the log.

## Variables of single commands

${table(['Variable', 'Command', 'Meaning'], commandVariables())}

The help of a command, such as ${code('iam migrate region --help')}, shows how to use them.
`;
}

function standardCell({ standard, standardIsProse }: Setting): string {
  if (standard === undefined || standard === '') return 'none';
  return standardIsProse ? standard : code(standard);
}

/** .env.example */
export function envExample(): string {
  const entries = all().map(({ name, values, standard, standardIsProse, secret, description }) => {
    const about = `# ${description}\n# ${values.replaceAll('`', '')}${secret ? '; secret' : ''}${standardIsProse ? `; default: ${standard}` : ''}`;
    return `${about}\n#${name}=${standardIsProse ? '' : (standard ?? '')}`;
  });
  return `# Generated from src/config/*.ts by \`npm run docs\`. Copy this file to regional.env, uncomment the settings you need, and run
# npx iam --settings regional.env regional

${entries.join('\n\n')}
`;
}
