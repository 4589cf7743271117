import { expect, it } from 'vitest';
import { ownHash } from '../../../src/keys/key-record.ts';
import { keyRecord } from '../../support/records.ts';

it('a hash belongs to a key only if it is its current or previous one', () => {
  const rotated = keyRecord('k', 1, { secretHash: 'current', previousSecretHash: 'former' });
  const hashes = ['current', 'former', 'older', '', undefined];
  expect(hashes.map((hash) => ownHash(rotated, hash))).toEqual([
    'current',
    'former',
    undefined,
    undefined,
    undefined,
  ]);
  expect(ownHash(keyRecord('k', 1, { secretHash: 'current' }), undefined)).toBeUndefined();
});
