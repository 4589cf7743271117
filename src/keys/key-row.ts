import type { TextRow } from '../database/prepared-lookup.ts';
import { type RoleAssignments, roleAssignmentsSchema } from '../roles/role-assignments.ts';
import { type DescribedKeyRecord, type KeyRecord, QuarantinedKeyError } from './key-record.ts';

/**
 * The one definition of a row of `api_keys`: the SELECT lists, the parsers and the values of INSERT and UPDATE all
 * come from it. Rows are read in the text form of the wire protocol, by both services.
 */
interface Column<Read, Write = Read> {
  name: string;
  /** The SQL expression that a SELECT list holds for this column. */
  expression: string;
  /** @throws {BrokenFieldError} when the column does not have the shape that the record needs */
  read: (row: TextRow) => Read;
  /** The value as a parameter of a statement. */
  write: (value: Write) => unknown;
}

/** How the text of a column becomes a value. `column` is for the error message. */
type Parser<Value> = (text: string | null | undefined, column: string) => Value;

/** Names the column that does not parse, or the path in its JSON; never a value. */
class BrokenFieldError extends Error {
  readonly field: string;

  constructor(field: string) {
    super(field);
    this.field = field;
  }
}

/** The times that a `Date` can hold. */
const MAX_TIME_MS = 8.64e15;

const text: Parser<string> = (text, column) => {
  if (text === null || text === undefined) throw new BrokenFieldError(column);
  return text;
};
const flag: Parser<boolean> = (text, column) => {
  if (text !== 't' && text !== 'f') throw new BrokenFieldError(column);
  return text === 't';
};
const time: Parser<number> = (milliseconds, column) => {
  const timeMs = Number(text(milliseconds, column));
  if (!(Math.abs(timeMs) <= MAX_TIME_MS)) throw new BrokenFieldError(column);
  return timeMs;
};
const counter: Parser<number> = (digits, column) => {
  const number = Number(text(digits, column));
  if (!Number.isSafeInteger(number) || number < 0) throw new BrokenFieldError(column);
  return number;
};

function nullable<Value>(parse: Parser<Value>): Parser<Value | null> {
  return (text, column) => (text === null ? null : parse(text, column));
}

let columnCount = 0;

/** The next column of a row: the order of the definitions below is the order of the SELECT lists. */
function column<Value>(name: string, parse: Parser<Value>): Column<Value> {
  const position = columnCount;
  columnCount += 1;
  return { name, expression: name, read: (row) => parse(row[position], name), write: (value) => value };
}

function timeColumn<Value extends number | null>(name: string, parse: Parser<Value>): Column<Value> {
  return {
    ...column(name, parse),
    // Exact to the millisecond. Its text for `infinity` is no number, so that the row is quarantined.
    expression: `floor(extract(epoch FROM ${name}) * 1000)::text`,
    write: (timeMs) => (timeMs === null ? null : new Date(timeMs)),
  };
}

/** The columns of a `KeyRecord`, which the regional service reads for each lookup. */
const keyColumns = {
  id: column('id', text),
  organizationId: column('organization_id', text),
  secretHash: column('secret_hash', text),
  previousSecretHash: column('previous_secret_hash', nullable(text)),
  previousSecretExpiresAtMs: timeColumn('previous_secret_expires_at', nullable(time)),
  roleAssignments: { ...column('role_assignments', text), write: JSON.stringify },
  internal: column('internal', flag),
  createdBy: column('created_by', text),
  createdAtMs: timeColumn('created_at', time),
  expiresAtMs: timeColumn('expires_at', nullable(time)),
  revokedAtMs: timeColumn('revoked_at', nullable(time)),
  version: column('version', counter),
} satisfies { [Field in keyof KeyRecord]: Column<unknown, KeyRecord[Field]> };

/** All columns of a `DescribedKeyRecord`; only the control plane reads those that follow the columns of a `KeyRecord`. */
const describedKeyColumns = {
  ...keyColumns,
  description: column('description', text),
} satisfies { [Field in keyof DescribedKeyRecord]: Column<unknown, DescribedKeyRecord[Field]> };

/** The SELECT list that `parseKeyRow` reads. */
export const KEY_COLUMNS = selectList(keyColumns);

/** The SELECT list that `parseDescribedKeyRow` reads. */
export const DESCRIBED_KEY_COLUMNS = selectList(describedKeyColumns);

function selectList(columns: Record<string, { expression: string }>): string {
  return Object.values(columns)
    .map(({ expression }) => expression)
    .join(', ');
}

/** Parses the JSON of stored role assignments. */
export type AssignmentsParser = (organizationId: string, json: string) => RoleAssignments;

/**
 * Parses a row of `KEY_COLUMNS`.
 * @param parseAssignments may share results between keys; it calls `parseRoleAssignments` for a text that is new
 * @throws {QuarantinedKeyError} when a column does not have the shape that the record needs
 */
export function parseKeyRow(row: TextRow, parseAssignments: AssignmentsParser): KeyRecord {
  try {
    return readKey(row, parseAssignments);
  } catch (error) {
    throw quarantined(row, error);
  }
}

/**
 * Parses a row of `DESCRIBED_KEY_COLUMNS`.
 * @throws {QuarantinedKeyError} when a column does not have the shape that the record needs
 */
export function parseDescribedKeyRow(row: TextRow): DescribedKeyRecord {
  try {
    const record = readKey(row, (_organizationId, json) => parseRoleAssignments(json));
    return { ...record, description: describedKeyColumns.description.read(row) };
  } catch (error) {
    throw quarantined(row, error);
  }
}

/** The fields are spelled out because every lookup runs this: a loop over the columns takes twice as long. */
function readKey(row: TextRow, parseAssignments: AssignmentsParser): KeyRecord {
  const organizationId = keyColumns.organizationId.read(row);
  return {
    id: keyColumns.id.read(row),
    organizationId,
    secretHash: keyColumns.secretHash.read(row),
    previousSecretHash: keyColumns.previousSecretHash.read(row),
    previousSecretExpiresAtMs: keyColumns.previousSecretExpiresAtMs.read(row),
    roleAssignments: parseAssignments(organizationId, keyColumns.roleAssignments.read(row)),
    internal: keyColumns.internal.read(row),
    createdBy: keyColumns.createdBy.read(row),
    createdAtMs: keyColumns.createdAtMs.read(row),
    expiresAtMs: keyColumns.expiresAtMs.read(row),
    revokedAtMs: keyColumns.revokedAtMs.read(row),
    version: keyColumns.version.read(row),
  };
}

function quarantined(row: TextRow, error: unknown): unknown {
  return error instanceof BrokenFieldError ? new QuarantinedKeyError(keyIdOf(row), error.field) : error;
}

/** The id of a row, also of one that is quarantined: it is the primary key and any text is valid. */
export function keyIdOf(row: TextRow): string {
  return keyColumns.id.read(row);
}

/** @throws {BrokenFieldError} with the path that does not parse; `parseKeyRow` turns it into a `QuarantinedKeyError` */
export function parseRoleAssignments(json: string): RoleAssignments {
  const parsed = roleAssignmentsSchema.safeParse(JSON.parse(json));
  if (parsed.success) return parsed.data;
  throw new BrokenFieldError(['role_assignments', ...(parsed.error.issues[0]?.path ?? [])].join('.'));
}

/** The columns and parameters of an INSERT or UPDATE that writes these fields, in one order. */
export function columnsToWrite(fields: Partial<DescribedKeyRecord>): { names: string[]; values: unknown[] } {
  const entries = Object.entries(fields) as [keyof DescribedKeyRecord, never][];
  return {
    names: entries.map(([field]) => describedKeyColumns[field].name),
    values: entries.map(([field, value]) => describedKeyColumns[field].write(value)),
  };
}
