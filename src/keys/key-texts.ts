import type { RoleAssignments } from '../roles/role-assignments.ts';
import { type KeyRecord, QuarantinedKeyError } from './key-record.ts';

/** A column that is broken, or a place in its JSON; never a value. */
export class BrokenField extends Error {
  readonly field: string;

  constructor(field: string) {
    super(field);
    this.field = field;
  }
}

/** Exact, and NULL for NULL; what is no time (`infinity`) becomes a text that is no time either. */
const milliseconds = (column: string) => `floor(extract(epoch FROM ${column}) * 1000)::text`;

/** What `parseKeyRow` reads, in its order: a SELECT list. */
export const KEY_TEXTS = [
  'id',
  'organization_id',
  'secret_hash',
  'previous_secret_hash',
  milliseconds('previous_secret_expires_at'),
  'role_assignments',
  'internal',
  'created_by',
  milliseconds('created_at'),
  milliseconds('expires_at'),
  milliseconds('revoked_at'),
  'version',
].join(', ');

/** Reads stored assignments. @throws {BrokenField} naming the place in them that is broken */
export type AssignmentReader = (organizationId: string, json: string) => RoleAssignments;

/**
 * `parseDescribedKeyRow`, but for the description, for columns that were read as texts, which is how they come over the
 * wire: the way of every key that is looked up for a request. As strict, by the same rules; a test compares the two.
 * @throws {QuarantinedKeyError} when a column does not have the shape it must have
 */
export function parseKeyRow(
  id: string,
  texts: readonly (string | null)[],
  readAssignments: AssignmentReader,
): KeyRecord {
  try {
    const organizationId = given(texts[1], 'organization_id');
    return {
      id: given(texts[0], 'id'),
      organizationId,
      secretHash: given(texts[2], 'secret_hash'),
      previousSecretHash: texts[3] ?? null,
      previousSecretExpiresAtMs: timeOrNull(texts[4], 'previous_secret_expires_at'),
      roleAssignments: readAssignments(organizationId, given(texts[5], 'role_assignments')),
      internal: flag(texts[6], 'internal'),
      createdBy: given(texts[7], 'created_by'),
      createdAtMs: time(texts[8], 'created_at'),
      expiresAtMs: timeOrNull(texts[9], 'expires_at'),
      revokedAtMs: timeOrNull(texts[10], 'revoked_at'),
      version: version(texts[11]),
    };
  } catch (error) {
    throw error instanceof BrokenField ? new QuarantinedKeyError(id, error.field) : error;
  }
}

type Text = string | null | undefined;

function given(text: Text, column: string): string {
  if (text === null || text === undefined) throw new BrokenField(column);
  return text;
}

function flag(text: Text, column: string): boolean {
  if (text !== 't' && text !== 'f') throw new BrokenField(column);
  return text === 't';
}

/** The times that a `Date` can hold. */
const MAX_TIME_MS = 8.64e15;

function time(text: Text, column: string): number {
  const timeMs = Number(given(text, column));
  if (!(Math.abs(timeMs) <= MAX_TIME_MS)) throw new BrokenField(column);
  return timeMs;
}

function timeOrNull(text: Text, column: string): number | null {
  return text === null ? null : time(text, column);
}

function version(text: Text): number {
  const number = Number(given(text, 'version'));
  if (!Number.isSafeInteger(number) || number < 0) throw new BrokenField('version');
  return number;
}
