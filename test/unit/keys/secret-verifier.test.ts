import { beforeAll, describe, expect, it } from 'vitest';
import { hashSecret } from '../../../src/credential/hash.ts';
import { secretTag } from '../../../src/credential/secret-tag.ts';
import type { KeyRecord } from '../../../src/keys/key-record.ts';
import { Argon2SecretVerifier, possibleSecrets } from '../../../src/keys/secret-verifier.ts';
import { newCredential, TEST_HASH_PARAMETERS } from '../../support/keys.ts';
import { keyRecord } from '../../support/records.ts';

const { id, secret } = newCredential();
const tag = secretTag(id, secret);
const previous = { previousSecretHash: 'previous', previousSecretExpiresAtMs: 2_000 };

it.each<[string, Partial<KeyRecord>, string[]]>([
  ['without tags', previous, ['current', 'previous']],
  ['with the tag of both', { ...previous, secretTag: tag, previousSecretTag: tag }, ['current', 'previous']],
  ['with another current tag', { ...previous, secretTag: tag ^ 1 }, ['previous']],
  ['with another previous tag', { ...previous, previousSecretTag: tag ^ 1 }, ['current']],
  ['with other tags', { ...previous, secretTag: tag ^ 1, previousSecretTag: tag ^ 1 }, []],
  ['after the grace period', { ...previous, previousSecretExpiresAtMs: 1_000 }, ['current']],
  ['without a previous hash', { ...previous, previousSecretHash: null }, ['current']],
  ['without a grace period', { ...previous, previousSecretExpiresAtMs: null }, ['current']],
])('a secret may be these of a key %s', (_, fields, expected) => {
  const record = keyRecord(id, 1, fields);
  const hasPassed = (atMs: number | null) => atMs !== null && atMs <= 1_000;
  expect(possibleSecrets(record, secret, hasPassed).map(({ match }) => match)).toEqual(expected);
});

describe('a comparison that fails', () => {
  let wrongHash: string;
  beforeAll(async () => {
    wrongHash = await hashSecret('another secret', TEST_HASH_PARAMETERS);
  });
  const match = (fields: Partial<KeyRecord>) =>
    new Argon2SecretVerifier(() => false).match(
      {
        record: keyRecord(id, 1, fields),
        tier: 'postgres',
        confirmedAtMs: 0,
        stale: false,
        superseded: false,
      },
      secret,
    );

  it('quarantines a key with a broken hash, and names its column', async () => {
    await expect(match({ secretHash: 'broken' })).rejects.toMatchObject({
      name: 'QuarantinedKeyError',
      column: 'secret_hash',
    });
    await expect(match({ secretHash: wrongHash, ...previous })).rejects.toMatchObject({
      name: 'QuarantinedKeyError',
      column: 'previous_secret_hash',
    });
  });

  it('for another reason does not count as a wrong secret', async () => {
    const failure = new RangeError('out of memory');
    const failing = {
      toString: () => {
        throw failure;
      },
    };
    await expect(match({ secretHash: failing as unknown as string })).rejects.toBe(failure);
  });
});
