import { describe, expect, it } from 'vitest';
import { ERRORS, type ErrorName, IamError, violationsError } from '../../src/errors.ts';
import { toIamError, uiamErrorBody } from '../../src/http/error-rendering.ts';
import { QuarantinedKeyError } from '../../src/keys/key-record.ts';
import { OverloadedError, StoreOverloadedError, StoreUnavailableError } from '../../src/keys/key-store.ts';

const rows = Object.entries(ERRORS) as [ErrorName, (typeof ERRORS)[ErrorName]][];

/** Codes and statuses are part of both protocols: clients decide by them. */
const CONTRACT = `
API_KEY_MISSING            0x28D520 401  root.unauthenticated 401
API_KEY_EXPIRED            0xE436AE 401  root.unauthenticated 401
API_KEY_REVOKED            0xD38358 401  root.unauthenticated 401
UNAUTHENTICATED            0xD38358 401  root.unauthenticated 401
CLIENT_AUTHENTICATION      0x8560B2 401  root.unauthenticated 401
REGION_UNAUTHENTICATED 0x1A0401 401 root.unauthenticated 401
CREDENTIAL_UNDECODABLE     0xD00DF3 401  root.unauthenticated 401
PERMISSION_DENIED          0x93B121 403  root.permission_denied 403
INVALID_INPUT              0x1A0400 400  api_keys.invalid_input 400
REQUEST_INVALID            0x1A0400 400  root.invalid_body 400
BODY_INVALID               0x1A0400 400  root.invalid_body 400
AUDIT_INVALID              0x1A0400 400  audit.invalid_input 400
ROLE_INVALID               0x1A3400 400  roles.invalid_input 400
CONVERSION_CREATOR         0x357391 400  api_keys.invalid_input 400
CONVERSION_KEY             0x1A1400 400  api_keys.invalid_input 400
CONVERSION_ENDPOINT        0x1A2400 400  api_keys.invalid_input 400
CONVERSION_RIGHTS          0x1A3400 400  api_keys.invalid_input 400
NOT_FOUND                  0x1A0404 404  root.not_found 404
METHOD_NOT_ALLOWED          0x1A0405  405  root.method_not_allowed           405
QUERY_UNKNOWN               0x1A0400  400  root.invalid_query                400
TOKENS_NOT_SUPPORTED        0x1A4400  400  root.not_supported                400
TOKEN_UNKNOWN               0x7E0116  401  root.unauthenticated              401
KEY_NOT_FOUND              0x28D520 401  api_keys.key_not_found 404
ROLE_NOT_FOUND             0x1A0404 404  roles.role_not_found 404
ORGANIZATION_NOT_FOUND     0x1A0409 409  organizations.not_found 404
QUOTA_EXCEEDED             0x1A1409 409  api_keys.quota_exceeded 409
INTERNAL_QUOTA_EXCEEDED    0x3196F8 429  api_keys.internal_quota_exceeded 429
ORGANIZATION_EXISTS        0x1A0409 409  organizations.exists 409
LAST_OWNER                 0x1A0409 409  api_keys.last_owner 409
ROLE_SET_CONFLICT          0x1A0409 409  roles.set_conflict 409
KEY_REVOKED                0x1A0409 409  api_keys.key_revoked 409
KEY_EXPIRED                0x1A0409 409  api_keys.key_expired 409
ROTATION_IN_PROGRESS       0x1A0409 409  api_keys.rotation_in_progress 409
IDEMPOTENCY_UNREADABLE     0x1A0409 409  api_keys.idempotency_unreadable 409
IDEMPOTENCY_MISMATCH       0x1A0400 400  api_keys.idempotency_mismatch 422
RESPONSE_TOO_LARGE         0x1A5400 400  root.response_too_large 400
REQUEST_TIMEOUT            0x1A0408 408  root.request_timeout 408
BODY_TOO_LARGE             0x1A0413 413  root.body_too_large 413
MEDIA_TYPE                 0x1A0415 415  root.unsupported_media_type 415
RATE_LIMITED               0x1A0429 429  root.rate_limited 429
REGIONAL_RATE_LIMITED      0x1A1429 429  root.rate_limited 429
INTERNAL                   0x1C6964 500  root.internal_error 500
CONVERSION_UNAVAILABLE     0x1A2503 503  root.unavailable 503
CONTROL_PLANE_UNAVAILABLE  0x1A1503 503  root.unavailable 503
OVERLOADED                 0x1A0529 503  root.unavailable 503
STORE_OVERLOADED           0x1A3503 503  root.unavailable 503
FORWARDING_OVERLOADED      0x1A9503 503  root.unavailable 503
RESPONSE_BUDGET            0x1A7503 503  root.unavailable 503
BODIES_OVERLOADED          0x1AB503 503  root.unavailable 503
UNAVAILABLE                0x1A0503 503  root.unavailable 503
REPLICA_INCOMPLETE         0x1A4503 503  root.unavailable 503
REPLICA_UNCONFIRMED        0x1A6503 503  root.unavailable 503
REPLICATION_TOO_OLD        0x1A5503 503  root.unavailable 503
EXPIRY_UNDECIDABLE         0x1A8503 503  root.unavailable 503
CLOCK_WRONG                0x1A0503 503  root.unavailable 503
KEY_QUARANTINED            0x1A0513 503  root.unavailable 503
`;

describe('the error registry', () => {
  it('keeps the code and the status of every error in both APIs', () => {
    const lines = rows.map(
      ([name, row]) => `${name} ${row.uiam.code} ${row.uiam.status} ${row.cloud.code} ${row.cloud.status}`,
    );
    const contract = CONTRACT.trim().split('\n');
    expect(lines).toEqual(contract.map((line) => line.replace(/ +/g, ' ')));
  });

  it.each(rows)('%s has codes, a type and sentences in the form that clients parse', (_name, row) => {
    expect(row.uiam.code).toMatch(/^0x[0-9A-F]{6}$/);
    expect(row.uiam.type).toMatch(/^[A-Z]+\.[A-Z_]+$/);
    expect(row.cloud.code).toMatch(/^[a-z_]+\.[a-z_]+$/);
    for (const text of [row.message, row.cloud.message ?? row.message]) expect(text).toMatch(/^[A-Z].*\.$/);
  });

  it('ends the codes of this service with the status, except two older codes', () => {
    const own = rows.filter(([, { uiam }]) => uiam.code.startsWith('0x1A'));
    const others = own.filter(([, { uiam }]) => !uiam.code.endsWith(String(uiam.status)));
    expect(others.map(([name]) => name)).toEqual(['OVERLOADED', 'KEY_QUARANTINED']);
  });

  it('gives equal codes equal statuses and types', () => {
    for (const [, row] of rows) {
      for (const [, other] of rows) {
        if (row.uiam.code === other.uiam.code) expect(row.uiam).toEqual(other.uiam);
        if (row.cloud.code === other.cloud.code) expect(row.cloud.status).toBe(other.cloud.status);
      }
    }
  });

  it.each(rows)('%s is a failure of the service in both APIs or in neither', (_name, row) => {
    expect(row.uiam.status >= 500).toBe(row.cloud.status >= 500);
  });
});

describe('toIamError', () => {
  const cases: [string, unknown, ErrorName][] = [
    ['a store that does not respond', new StoreUnavailableError('Postgres', new Error('x')), 'UNAVAILABLE'],
    ['a full queue', new OverloadedError('x'), 'OVERLOADED'],
    ['a full queue of the database', new StoreOverloadedError('x'), 'STORE_OVERLOADED'],
    ['a row that does not parse', new QuarantinedKeyError('id', 'secret_hash'), 'KEY_QUARANTINED'],
    ['a body over the limit', { code: 'FST_ERR_CTP_BODY_TOO_LARGE', statusCode: 413 }, 'BODY_TOO_LARGE'],
    ['another media type', { code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE', statusCode: 415 }, 'MEDIA_TYPE'],
    ['any other refusal of the framework', { code: 'FST_ERR_BAD_URL', statusCode: 400 }, 'REQUEST_INVALID'],
    ['a defect of the service', new TypeError('undefined is not a function'), 'INTERNAL'],
    ['a thrown value that is no error', 'thrown text', 'INTERNAL'],
  ];

  it.each(cases)('maps %s', (_name, thrown, reason) => {
    expect(toIamError(thrown).reason).toBe(reason);
  });

  it('tells a shed caller when to return: after a second, or when the queue says', () => {
    expect(toIamError(new OverloadedError('x')).retryAfterSeconds).toBe(1);
    expect(toIamError(new OverloadedError('x', 7)).retryAfterSeconds).toBe(7);
  });

  it('never blames the key for a failure of the service', () => {
    for (const [, thrown] of cases) {
      expect(toIamError(thrown).uiam.status).not.toBe(401);
      expect(toIamError(thrown).cloud.status).not.toBe(401);
    }
  });

  it('keeps internal text out of the response', () => {
    const secretive = new Error('connect to 10.0.0.7 as iam failed');
    for (const thrown of [secretive, new StoreUnavailableError('Postgres', secretive)]) {
      const error = toIamError(thrown);
      expect(JSON.stringify([uiamErrorBody(error, 'r'), error.problems])).not.toContain('10.0.0.7');
    }
  });
});

describe('IamError', () => {
  it('has the four fields of the UIAM protocol, with resource null if none is given', () => {
    expect(uiamErrorBody(new IamError('API_KEY_MISSING'), 'request-1')).toEqual({
      request_id: 'request-1',
      error: {
        code: '0x28D520',
        message: ERRORS.API_KEY_MISSING.message,
        resource: null,
        type: 'AUTHENTICATION.API_KEY',
      },
    });
  });

  it('shows a message of its own in both APIs, and the Cloud sentence only without one', () => {
    const specific = new IamError('PERMISSION_DENIED', { message: 'Owners only.' });
    expect([specific.message, specific.problems]).toEqual(['Owners only.', [{ message: 'Owners only.' }]]);
    const general = new IamError('PERMISSION_DENIED');
    expect([general.message, general.problems[0]?.message]).toEqual([
      ERRORS.PERMISSION_DENIED.message,
      ERRORS.PERMISSION_DENIED.cloud.message,
    ]);
  });

  it('names every invalid field in the Cloud API and the first one as the UIAM resource', () => {
    const error = violationsError('INVALID_INPUT', [
      { path: 'description', message: 'must not be blank' },
      { path: '', message: 'must be an object' },
    ]);
    expect(error.resource).toBe('description');
    expect(error.problems).toEqual([
      { message: 'description: must not be blank', fields: ['description'] },
      { message: 'body: must be an object', fields: ['body'] },
    ]);
  });
});
