import { describe, expect, it } from 'vitest';
import { IdentityWriter, joinResponse } from '../../../src/regional/identity.ts';
import { keyRecord } from '../../support/records.ts';

const created = { createdAtMs: Date.UTC(2026, 0, 2, 3, 4, 5, 6) };

describe('the part of an answer that tells whose key it is', () => {
  it.each([
    ['never expires', { expiresAtMs: null, internal: false }, { expiration: null, internal: false }],
    [
      'expires',
      { expiresAtMs: Date.UTC(2027, 0, 1), internal: true },
      { expiration: '2027-01-01T00:00:00.000Z', internal: true },
    ],
  ])('names user, key and times of one that %s', (_name, fields, told) => {
    const writer = new IdentityWriter();
    // Twice each: what is kept of a user is used again, and for nobody else.
    for (const createdBy of ['Zoë "Z" \\', 'user-1', 'Zoë "Z" \\', 'user-1']) {
      const { user, rest } = writer.write(keyRecord('key-1', 1, { ...created, ...fields, createdBy }));
      const text = joinResponse('{', user, 'key-1', rest);
      expect(text).toMatch(/^[ -~]+$/);
      expect(JSON.parse(text)).toEqual({
        user_id: createdBy,
        credentials: { id: 'key-1', type: 'api-key', creation: '2026-01-02T03:04:05.006Z', ...told },
      });
    }
  });
});
