import { describe, expect, it } from 'vitest';
import { QuarantinedKeyError } from '../../../src/keys/key-record.ts';
import { insertKeyStatement, KEY_COLUMNS, parseAssignments, parseKeyRow } from '../../../src/keys/key-row.ts';

/** The texts of a valid row, by column: in the order of `KEY_COLUMNS`, times in milliseconds. */
const valid: Record<string, string | null> = {
  id: 'key-1',
  organization_id: 'org',
  secret_hash: 'hash',
  secret_tag: null,
  previous_secret_hash: null,
  previous_secret_tag: null,
  previous_secret_expires_at: null,
  role_assignments: '{}',
  internal: 'false',
  created_by: 'user',
  description: 'test',
  created_at: '0',
  expires_at: null,
  revoked_at: null,
  version: '1',
};

/** The message of the `QuarantinedKeyError` with this text in this column; `undefined` for a row that parses. */
function refusal(column: string, text: string | null): string | undefined {
  const row = Object.values({ ...valid, [column]: text });
  try {
    parseKeyRow('key-1', row, (_organizationId, json) => parseAssignments(json));
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(QuarantinedKeyError);
    return (error as QuarantinedKeyError).message;
  }
}

describe('the SELECT list', () => {
  it('contains the columns that parseKeyRow reads, in its order', () => {
    expect([...KEY_COLUMNS.matchAll(/ AS (\w+)/g)].map(([, name]) => name)).toEqual(Object.keys(valid));
  });
});

describe('parseKeyRow', () => {
  it('accepts NULL in exactly the nullable columns', () => {
    const nullable = Object.keys(valid).filter((column) => refusal(column, null) === undefined);
    expect(nullable).toEqual([
      'secret_tag',
      'previous_secret_hash',
      'previous_secret_tag',
      'previous_secret_expires_at',
      'expires_at',
      'revoked_at',
    ]);
  });

  it.each([
    ['internal', 't'],
    ['internal', ''],
    ['created_at', 'Infinity'],
    ['created_at', 'yesterday'],
    ['expires_at', '8640000000000001'],
    ['revoked_at', '-8640000000000001'],
    ['previous_secret_expires_at', 'NaN'],
    ['version', '-1'],
    ['version', '1.5'],
    ['version', '9007199254740992'],
    ['version', 'x1'],
    ['role_assignments', '[7]'],
    ['role_assignments', '{'],
    ['secret_tag', '32768'],
    ['secret_tag', '-32769'],
    ['previous_secret_tag', 'x'],
  ])('quarantines a row whose %s is %j, and names the column, not the text', (column, text) => {
    expect(refusal(column, text)).toBe(`The row of key key-1 has an invalid ${column}`);
  });
});

it.each([
  ['version', '0'],
  ['version', '9007199254740991'],
  ['created_at', '8640000000000000'],
  ['created_at', '-8640000000000000'],
  ['secret_tag', '32767'],
  ['secret_tag', '-32768'],
])('parseKeyRow reads a row whose %s is %s', (column, text) => {
  expect(refusal(column, text)).toBeUndefined();
});

describe('insertKeyStatement', () => {
  it('inserts each given field into its column, and leaves the other columns to the database', () => {
    const { text, values } = insertKeyStatement({
      id: 'key-1',
      organizationId: 'org',
      description: 'test',
      secretHash: 'hash',
      secretTag: -1,
      roleAssignments: { platform: [] },
      internal: true,
      createdBy: 'user',
      createdAtMs: 5,
      expiresAtMs: null,
    });
    const names = /\(([^)]+)\)\s+VALUES \(([^)]+)\)/.exec(text);
    expect(names?.[1]?.split(', ')).toEqual([
      'id',
      'organization_id',
      'secret_hash',
      'secret_tag',
      'role_assignments',
      'internal',
      'created_by',
      'description',
      'created_at',
      'expires_at',
    ]);
    expect(names?.[2]).toBe('$1, $2, $3, $4, $5, $6, $7, $8, $9, $10');
    expect(values).toEqual([
      'key-1',
      'org',
      'hash',
      -1,
      '{"platform":[]}',
      true,
      'user',
      'test',
      new Date(5),
      null,
    ]);
  });
});
