import type { TextRow } from '../database/prepared-lookup.ts';
import { type RoleAssignments, roleAssignmentsSchema } from '../roles/role-assignments.ts';
import { type KeyRecord, QuarantinedKeyError } from './key-record.ts';

/** How Postgres writes a column as text, and how it takes a value of the record. */
interface Column {
  name: string;
  /** SQL expression whose text the parser reads. */
  asText: string;
  /** The value for an INSERT. */
  toSql: (value: never) => unknown;
}

const text = (name: string): Column => ({ name, asText: `${name}::text`, toSql: (value: string) => value });
const integer = (name: string): Column => ({
  name,
  asText: `${name}::text`,
  toSql: (value: number | null) => value,
});
const json = (name: string): Column => ({
  name,
  asText: `${name}::text`,
  toSql: (value: object) => JSON.stringify(value),
});
/** Whole milliseconds. `infinity` becomes a text that is not a number. */
const time = (name: string): Column => ({
  name,
  asText: `floor(extract(epoch FROM ${name}) * 1000)::text`,
  toSql: (timeMs: number | null) => (timeMs === null ? null : new Date(timeMs)),
});

/** The columns of `api_keys`, by the field of the record. The SELECT list, the parser and INSERT derive from this table. */
const COLUMNS = {
  id: text('id'),
  organizationId: text('organization_id'),
  secretHash: text('secret_hash'),
  secretTag: integer('secret_tag'),
  previousSecretHash: text('previous_secret_hash'),
  previousSecretTag: integer('previous_secret_tag'),
  previousSecretExpiresAtMs: time('previous_secret_expires_at'),
  roleAssignments: json('role_assignments'),
  internal: text('internal'),
  createdBy: text('created_by'),
  description: text('description'),
  createdAtMs: time('created_at'),
  expiresAtMs: time('expires_at'),
  revokedAtMs: time('revoked_at'),
  version: text('version'),
} as const satisfies Record<keyof KeyRecord, Column>;

type Field = keyof typeof COLUMNS;
const FIELDS = Object.keys(COLUMNS) as Field[];
const POSITION = Object.fromEntries(FIELDS.map((field, index) => [field, index])) as Record<Field, number>;

/** Of the id in a row. */
export const ID_POSITION = POSITION.id;

/**
 * SELECT list, in the order that `parseKeyRow` expects. All columns are texts under their own names, so ORDER BY must
 * qualify a column (`api_keys.created_at`): a bare name sorts by the text.
 */
export const KEY_COLUMNS = FIELDS.map((field) => `${COLUMNS[field].asText} AS ${COLUMNS[field].name}`).join(
  ', ',
);

/** Parses stored role assignments. @throws {InvalidField} with the path of the invalid value */
export type AssignmentsParser = (organizationId: string, json: string) => RoleAssignments;

/** An invalid column, or the path in its JSON; never a value. */
class InvalidField extends Error {
  readonly field: string;

  constructor(field: string) {
    super(field);
    this.field = field;
  }
}

/** Parses and checks the JSON of role assignments. @throws {InvalidField} */
export function parseAssignments(json: string): RoleAssignments {
  const parsed = roleAssignmentsSchema.safeParse(parseJson(json));
  if (parsed.success) return parsed.data;
  const path = parsed.error.issues[0]?.path ?? [];
  throw new InvalidField([COLUMNS.roleAssignments.name, ...path].join('.'));
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined; // The schema refuses it.
  }
}

/**
 * Parses a row of `KEY_COLUMNS`.
 * @param id of the requested key
 * @throws {QuarantinedKeyError} if a column has an invalid value, or the row is of another key
 */
export function parseKeyRow(id: string, row: TextRow, toAssignments: AssignmentsParser): KeyRecord {
  try {
    if (row[POSITION.id] !== id) throw new InvalidField(COLUMNS.id.name);
    const organizationId = required(row, 'organizationId');
    // One literal: records of one shape take less memory and are faster to read.
    return {
      id,
      organizationId,
      secretHash: required(row, 'secretHash'),
      secretTag: tagOrNull(row, 'secretTag'),
      previousSecretHash: row[POSITION.previousSecretHash] ?? null,
      previousSecretTag: tagOrNull(row, 'previousSecretTag'),
      previousSecretExpiresAtMs: timeOrNull(row, 'previousSecretExpiresAtMs'),
      roleAssignments: toAssignments(organizationId, required(row, 'roleAssignments')),
      internal: flag(row, 'internal'),
      createdBy: required(row, 'createdBy'),
      description: required(row, 'description'),
      createdAtMs: requiredTime(row, 'createdAtMs'),
      expiresAtMs: timeOrNull(row, 'expiresAtMs'),
      revokedAtMs: timeOrNull(row, 'revokedAtMs'),
      version: versionOf(row),
    };
  } catch (error) {
    throw error instanceof InvalidField ? new QuarantinedKeyError(id, error.field) : error;
  }
}

/**
 * Parses a row of `KEY_COLUMNS` that node-postgres returned as an object.
 * @throws {QuarantinedKeyError} if a column has an invalid value
 */
export function parseKeyObject(row: { id: string } & Record<string, unknown>): KeyRecord {
  const texts = FIELDS.map((field) => row[COLUMNS[field].name] as string | null);
  return parseKeyRow(row.id, texts, (_organizationId, json) => parseAssignments(json));
}

/** A key to insert. The database sets the version. */
export type NewKeyRecord = Omit<
  KeyRecord,
  'version' | 'previousSecretHash' | 'previousSecretTag' | 'previousSecretExpiresAtMs' | 'revokedAtMs'
>;

/** The INSERT of a new key, which returns the row for `parseKeyObject`. */
export function insertKeyStatement(key: NewKeyRecord): { text: string; values: unknown[] } {
  const fields = FIELDS.filter((field): field is keyof NewKeyRecord => field in key);
  const names = fields.map((field) => COLUMNS[field].name);
  return {
    text: `INSERT INTO api_keys (${names.join(', ')})
     VALUES (${fields.map((_, index) => `$${index + 1}`).join(', ')}) RETURNING ${KEY_COLUMNS}`,
    values: fields.map((field) => COLUMNS[field].toSql(key[field] as never)),
  };
}

/** The UPDATE of some fields of a key, which returns the row for `parseKeyObject`. */
export function updateKeyStatement(
  id: string,
  changes: Partial<Omit<KeyRecord, 'id' | 'version'>>,
): { text: string; values: unknown[] } {
  const fields = FIELDS.filter((field): field is keyof typeof changes => field in changes);
  const assignments = fields.map((field, index) => `${COLUMNS[field].name} = $${index + 2}`);
  return {
    text: `UPDATE api_keys SET ${assignments.join(', ')} WHERE id = $1 RETURNING ${KEY_COLUMNS}`,
    values: [id, ...fields.map((field) => COLUMNS[field].toSql(changes[field] as never))],
  };
}

function required(row: TextRow, field: Field): string {
  const value = row[POSITION[field]];
  if (value === null || value === undefined) throw new InvalidField(COLUMNS[field].name);
  return value;
}

function flag(row: TextRow, field: Field): boolean {
  const value = row[POSITION[field]];
  if (value !== 'true' && value !== 'false') throw new InvalidField(COLUMNS[field].name);
  return value === 'true';
}

/** Postgres writes whole numbers like this. `Number` alone reads other texts too, such as an empty one as 0. */
const INTEGER = /^-?\d{1,17}$/;

function integerIn(row: TextRow, field: Field, min: number, max: number): number {
  const digits = required(row, field);
  const value = Number(digits);
  if (!INTEGER.test(digits) || value < min || value > max) throw new InvalidField(COLUMNS[field].name);
  return value;
}

/** The latest time that a `Date` can hold (ECMA-262, 21.4.1.1). */
const MAX_TIME_MS = 8.64e15;

function requiredTime(row: TextRow, field: Field): number {
  return integerIn(row, field, -MAX_TIME_MS, MAX_TIME_MS);
}

function timeOrNull(row: TextRow, field: Field): number | null {
  return row[POSITION[field]] === null ? null : requiredTime(row, field);
}

function tagOrNull(row: TextRow, field: Field): number | null {
  return (row[POSITION[field]] ?? null) === null ? null : integerIn(row, field, -0x8000, 0x7fff);
}

function versionOf(row: TextRow): number {
  return integerIn(row, 'version', 0, Number.MAX_SAFE_INTEGER);
}
