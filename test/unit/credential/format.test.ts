import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Credential,
  decodeCredential,
  encodeCredential,
  generateCredential,
} from '../../../src/credential/format.ts';
import { vectors } from '../../support/vectors.ts';

const PREFIXES = ['essu', 'essu_dev'];

const urlSafe = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((b) => Buffer.from(b).toString('base64url'));

const v1Credential: fc.Arbitrary<Credential> = fc.record({
  id: urlSafe(16),
  secret: fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((bytes) => Buffer.from(bytes).toString('base64')),
  layout: fc.constant('v1'),
});

const legacyCredential: fc.Arbitrary<Credential> = fc.record({
  id: urlSafe(15),
  secret: urlSafe(16),
  layout: fc.constant('legacy'),
});

describe.each(['v1', 'legacy'] as const)('the published %s vector', (layout) => {
  const { text, id, secret, crc } = vectors[layout];

  it('decodes to its published id and secret', () => {
    expect(decodeCredential(text, PREFIXES)).toEqual({ ok: true, credential: { id, secret, layout } });
  });

  it('equals the encoding of its id and secret, byte for byte', () => {
    expect(encodeCredential('essu_dev', { id, secret, layout })).toBe(text);
  });

  it('ends with its published checksum as a 64-bit number', () => {
    const bytes = Buffer.from(text.slice('essu_dev_'.length), 'base64');
    expect(bytes.subarray(-8).toString('hex')).toBe(`00000000${crc}`);
  });
});

it('decodes every encoded v1 and legacy credential to the same credential', () => {
  fc.assert(
    fc.property(
      fc.oneof(v1Credential, legacyCredential),
      fc.constantFrom(...PREFIXES),
      (credential, prefix) => {
        expect(decodeCredential(encodeCredential(prefix, credential), PREFIXES)).toEqual({
          ok: true,
          credential,
        });
      },
    ),
  );
});

it('generates an id that needs no escaping in a URL path, and a secret of 256 bits', () => {
  const credential = generateCredential(randomBytes);
  expect(credential.layout).toBe('v1');
  expect(credential.id).toMatch(/^[A-Za-z0-9_-]{22}$/);
  expect(Buffer.from(credential.secret, 'base64')).toHaveLength(32);
  expect(decodeCredential(encodeCredential('essu', credential), PREFIXES)).toEqual({ ok: true, credential });
});

it('generates a credential only from the given source of randomness', () => {
  const zeros = (n: number) => Buffer.alloc(n);
  expect(generateCredential(zeros)).toEqual({
    id: 'A'.repeat(22),
    secret: `${'A'.repeat(43)}=`,
    layout: 'v1',
  });
});

it('uses the longest accepted prefix, independent of the order of the list', () => {
  const { text, id } = vectors.v1;
  for (const accepted of [PREFIXES, PREFIXES.toReversed()]) {
    expect(decodeCredential(text, accepted)).toMatchObject({ ok: true, credential: { id } });
  }
});

it('refuses random text and never throws', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String()), (text) => {
      expect(decodeCredential(text, PREFIXES).ok).toBe(false);
      expect(decodeCredential(`essu_${text}`, PREFIXES).ok).toBe(false);
    }),
  );
});
