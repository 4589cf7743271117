import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { secretTag, tagsMatch } from '../../../src/credential/secret-tag.ts';
import { newCredential } from '../../support/keys.ts';

it('is the same in every release: the first 16 bits of an HMAC-SHA-256 of the secret, with the id as key', () => {
  expect(secretTag('VuaCfGcBCdbkQm-e5aOx', 'ui2lp2axTNmsyakw9tvNnw')).toBe(13095);
  const { id, secret } = newCredential();
  expect(secretTag(id, secret)).toBe(createHmac('sha256', id).update(secret).digest().readInt16BE(0));
});

it('lets about one in 65,536 wrong secrets pass', () => {
  const { id, secret } = newCredential();
  const tag = secretTag(id, secret);
  let passed = 0;
  for (let nth = 0; nth < 30_000; nth += 1) if (tagsMatch(tag, secretTag(id, `wrong ${nth}`))) passed += 1;
  // Expected are 0.5; 8 or more happen once in 10^7 runs.
  expect(passed).toBeLessThan(8);
});

it('depends on the id, so two keys with one secret have different tags', () => {
  const { secret } = newCredential();
  const tags = new Set(Array.from({ length: 100 }, () => secretTag(newCredential().id, secret)));
  expect(tags.size).toBeGreaterThan(95);
});

it('matches only an equal tag', () => {
  expect(tagsMatch(-32_768, -32_768)).toBe(true);
  expect(tagsMatch(-1, 32_767)).toBe(false);
  expect(tagsMatch(0, 1)).toBe(false);
});
