import { describe, expect, it } from 'vitest';
import { ERRORS, type ErrorName, errorBody, IamError } from '../../src/errors.ts';
import { toIamError } from '../../src/http/error-rendering.ts';
import { QuarantinedKeyError } from '../../src/keys/key-record.ts';
import { OverloadedError, StoreUnavailableError } from '../../src/keys/key-store.ts';

const rows = Object.entries(ERRORS) as [ErrorName, (typeof ERRORS)[ErrorName]][];

describe('the error registry', () => {
  it('has one code for one error', () => {
    expect(new Set(rows.map(([, row]) => row.code)).size).toBe(rows.length);
  });

  it.each(rows)('%s has a code, a type and a sentence in the form that clients parse', (_name, row) => {
    expect(row.code).toMatch(/^0x[0-9A-F]{6}$/);
    expect(row.type).toMatch(/^[A-Z]+\.[A-Z_]+$/);
    expect(row.message).toMatch(/^[A-Z].*\.$/);
    expect(row.status).toBeGreaterThanOrEqual(400);
  });

  it('has the codes that existing clients of the protocol know', () => {
    const statusOf = Object.fromEntries(rows.map(([, row]) => [row.code, row.status]));
    expect(statusOf).toMatchObject({
      '0x28D520': 401,
      '0xE436AE': 401,
      '0xD38358': 401,
      '0x8560B2': 401,
      '0xD00DF3': 401,
      '0x93B121': 403,
      '0x1C6964': 500,
    });
  });
});

describe('what is thrown becomes', () => {
  const cases: [string, unknown, ErrorName][] = [
    ['a store that did not answer', new StoreUnavailableError('Postgres', new Error('x')), 'UNAVAILABLE'],
    ['too much waiting work', new OverloadedError('x'), 'OVERLOADED'],
    ['a broken row', new QuarantinedKeyError('id', 'secret_hash'), 'KEY_QUARANTINED'],
    ['a body over the limit', { code: 'FST_ERR_CTP_BODY_TOO_LARGE', statusCode: 413 }, 'BODY_TOO_LARGE'],
    ['another media type', { code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE', statusCode: 415 }, 'MEDIA_TYPE'],
    ['any other refusal of the framework', { code: 'FST_ERR_BAD_URL', statusCode: 400 }, 'REQUEST_INVALID'],
    ['a mistake of ours', new TypeError('undefined is not a function'), 'INTERNAL'],
    ['something that is no error', 'thrown text', 'INTERNAL'],
  ];
  it.each(cases)('%s: its row', (_name, thrown, reason) => {
    expect(toIamError(thrown).reason).toBe(reason);
  });

  it('a failure of ours is never told as a failure of the key', () => {
    for (const [, thrown] of cases) expect(toIamError(thrown).row.status).not.toBe(401);
  });

  it('an answer without any internal text', () => {
    const secretive = new Error('connect to 10.0.0.7 as iam failed');
    for (const thrown of [secretive, new StoreUnavailableError('Postgres', secretive)]) {
      expect(JSON.stringify(errorBody(toIamError(thrown), 'r'))).not.toContain('10.0.0.7');
    }
  });
});

it('an error body has the four fields of the protocol, resource null when there is none', () => {
  expect(errorBody(new IamError('API_KEY_MISSING'), 'request-1')).toEqual({
    request_id: 'request-1',
    error: {
      code: '0x28D520',
      message: ERRORS.API_KEY_MISSING.message,
      resource: null,
      type: 'AUTHENTICATION.API_KEY',
    },
  });
});
