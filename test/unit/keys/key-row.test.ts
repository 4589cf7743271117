import { describe, expect, it } from 'vitest';
import { QuarantinedKeyError } from '../../../src/keys/key-record.ts';
import { columnsToWrite, DESCRIBED_KEY_COLUMNS, parseDescribedKeyRow } from '../../../src/keys/key-row.ts';

/** The texts of a valid row, by column: in the order of the SELECT list, times in milliseconds. */
const valid: Record<string, string | null> = {
  id: 'key-1',
  organization_id: 'org',
  secret_hash: 'hash',
  previous_secret_hash: null,
  previous_secret_expires_at: null,
  role_assignments: '{}',
  internal: 'f',
  created_by: 'user',
  created_at: '0',
  expires_at: null,
  revoked_at: null,
  version: '1',
  description: 'test',
};

/** The field of the `QuarantinedKeyError` with this text in this column; `undefined` for a row that parses. */
function quarantinedField(column: string, text: string | null): string | undefined {
  try {
    parseDescribedKeyRow(Object.values({ ...valid, [column]: text }));
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(QuarantinedKeyError);
    expect(String(error)).toBe(`QuarantinedKeyError: key key-1 has a broken ${column}`);
    return (error as QuarantinedKeyError).field;
  }
}

describe('parseDescribedKeyRow', () => {
  it('reads the columns in the order of the SELECT list', () => {
    const names = [...DESCRIBED_KEY_COLUMNS.matchAll(/FROM (\w+)|(?:^|, )(?!floor)(\w+)/g)];
    expect(names.map(([, time, other]) => time ?? other)).toEqual(Object.keys(valid));
  });

  it('accepts NULL in exactly the columns that are nullable', () => {
    const refused = Object.keys(valid).filter((column) => column !== 'id' && quarantinedField(column, null));
    expect(refused).toEqual([
      'organization_id',
      'secret_hash',
      'role_assignments',
      'internal',
      'created_by',
      'created_at',
      'version',
      'description',
    ]);
  });

  it.each([
    ['internal', 'true'],
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
  ])('quarantines a row whose %s is %j, and names only the column', (column, text) => {
    expect(quarantinedField(column, text)).toBe(column);
  });
});

describe('columnsToWrite', () => {
  it('gives the column and the parameter of each field, in one order', () => {
    const fields = { id: 'key-1', roleAssignments: { platform: [] }, createdAtMs: 5, expiresAtMs: null };
    expect(columnsToWrite(fields)).toEqual({
      names: ['id', 'role_assignments', 'created_at', 'expires_at'],
      values: ['key-1', '{"platform":[]}', new Date(5), null],
    });
  });
});
