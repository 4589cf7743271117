import { z } from 'zod';
import { settings } from '../../src/config.ts';
import { code, GENERATED, table } from './markdown.ts';

interface Setting {
  name: string;
  /** Kind and bounds, for people. */
  values: string;
  /** Text that has the same effect as leaving the setting out; `undefined`: there is none. */
  standard: string | undefined;
  /** `standard` depends on the machine and is a description, not a value. */
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

/** Lists come as text and leave as arrays. */
function isList(setting: z.ZodType): boolean {
  const output = z.toJSONSchema(setting, { io: 'output', unrepresentable: 'any' }) as JsonSchema;
  return output.type === 'array';
}

const all = () => Object.entries(settings).map(([name, setting]) => read(name, setting));

/** Every setting, one a row. */
function settingsTable(): string {
  const rows = all().map((setting) => [
    code(setting.name) + (setting.secret ? ' (secret)' : ''),
    setting.values,
    standardCell(setting),
    setting.description,
  ]);
  return table(['Variable', 'Values', 'Default', 'What it does'], rows);
}

/** docs/configuration.md */
export function configurationPage(): string {
  return `${GENERATED}

# Configuration

Every setting is an environment variable. An empty one counts as absent; a wrong one ends the process at its start
with a message that names it and does not repeat its value. ${code('iam --env-file <path>')} reads a file of them; what the
environment sets wins.

${settingsTable()}

Settings marked _secret_ never appear in a log or an error.
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
  return `# Made from src/config.ts by \`npm run docs\`. Copy it to .env, take the # away from what you set, and start with
# iam --env-file .env regional

${entries.join('\n\n')}
`;
}
