import { describe, expect, it } from 'vitest';
import { IdentityWriter, joinResponse } from '../../../src/regional/response-writer.ts';
import { keyRecord } from '../../support/records.ts';

const created = { createdAtMs: Date.UTC(2026, 0, 2, 3, 4, 5, 6) };

describe('IdentityWriter', () => {
  it.each([
    ['never expires', { expiresAtMs: null, internal: false }, { expiration: null, internal: false }],
    [
      'expires',
      { expiresAtMs: Date.UTC(2027, 0, 1), internal: true },
      { expiration: '2027-01-01T00:00:00.000Z', internal: true },
    ],
  ])('writes user, id and times of a key that %s in ASCII', (_name, fields, expected) => {
    const writer = new IdentityWriter();
    // Each user twice: the second time the cached text is used, and only for that user.
    for (const createdBy of ['Zoë "Z" \\', 'user-1', 'Zoë "Z" \\', 'user-1']) {
      const identity = writer.write(keyRecord('key-1', 1, { ...created, ...fields, createdBy }));
      const text = joinResponse('{', 'key-1', identity);
      expect(text).toMatch(/^[ -~]+$/);
      expect(JSON.parse(text)).toEqual({
        user_id: createdBy,
        credentials: {
          id: 'key-1',
          type: 'api-key',
          creation: '2026-01-02T03:04:05.006Z',
          ...expected,
          description: 'test',
        },
      });
    }
  });

  it.each(['', 'shop search', 'quotes " and \\', 'line\nfeed \u0000', 'Schlüssel 鍵 🔑', '\ud800 alone'])(
    'writes the description %j in ASCII',
    (description) => {
      const text = joinResponse(
        '{',
        'key-1',
        new IdentityWriter().write(keyRecord('key-1', 1, { description })),
      );
      expect(text).toMatch(/^[ -~]+$/);
      expect(JSON.parse(text).credentials.description).toBe(description);
    },
  );

  it('shares the description with the record if it needs no escape', () => {
    const record = keyRecord('key-1', 1, { description: 'shop search' });
    expect(new IdentityWriter().write(record).description).toBe(record.description);
  });
});
