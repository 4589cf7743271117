import { createSecretKey, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decrypt, encrypt, NONCE_BYTES, TAG_BYTES } from '../../../src/lib/aes-256-gcm.ts';

const hex = (text: string) => Buffer.from(text, 'hex');

/** Test case 16 of "The Galois/Counter Mode of Operation" (McGrew, Viega), AES-256 with additional data. */
const VECTOR = {
  key: hex('feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308'),
  nonce: hex('cafebabefacedbaddecaf888'),
  plaintext: hex(
    'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72' +
      '1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
  ),
  aad: hex('feedfacedeadbeeffeedfacedeadbeefabaddad2'),
  ciphertext: hex(
    '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa' +
      '8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662',
  ),
  tag: hex('76fc6ece0f4e1768cddf8853bb2d551b'),
};

describe('AES-256-GCM', () => {
  it('matches the published test vector, however the plaintext is split', () => {
    const { key, nonce, plaintext, aad, ciphertext, tag } = VECTOR;
    const pieces = [plaintext.subarray(0, 8), plaintext.subarray(8)];
    const encrypted = encrypt(key, nonce, pieces, aad);
    expect(Buffer.concat(encrypted.ciphertext)).toEqual(ciphertext);
    expect(encrypted.tag).toEqual(tag);
    expect(decrypt(key, nonce, ciphertext, tag, aad)).toEqual(plaintext);
  });

  it('decrypts what it encrypts, with raw and with imported keys, with and without additional data', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.option(fc.uint8Array()), (text, aad) => {
        const [raw, nonce] = [randomBytes(32), randomBytes(NONCE_BYTES)];
        const { ciphertext, tag } = encrypt(raw, nonce, [text], aad ?? undefined);
        const key = createSecretKey(raw);
        const plaintext = decrypt(key, nonce, Buffer.concat(ciphertext), tag, aad ?? undefined);
        expect(plaintext?.toString()).toBe(text.toWellFormed());
      }),
    );
  });

  it('refuses a value if any input differs', () => {
    const { key, nonce, aad, ciphertext, tag } = VECTOR;
    const flip = (bytes: Buffer) => Buffer.from(bytes.map((byte, index) => (index === 0 ? byte ^ 1 : byte)));
    expect(decrypt(flip(key), nonce, ciphertext, tag, aad)).toBeUndefined();
    expect(decrypt(key, flip(nonce), ciphertext, tag, aad)).toBeUndefined();
    expect(decrypt(key, nonce, flip(ciphertext), tag, aad)).toBeUndefined();
    expect(decrypt(key, nonce, ciphertext, flip(tag), aad)).toBeUndefined();
    expect(decrypt(key, nonce, ciphertext, tag, flip(aad))).toBeUndefined();
    expect(decrypt(key, nonce, ciphertext, tag)).toBeUndefined();
  });

  it('refuses every shorter nonce and tag, since a shorter tag is easier to forge', () => {
    const { key, nonce, aad, ciphertext, tag } = VECTOR;
    for (let length = 0; length < NONCE_BYTES; length += 1)
      expect(decrypt(key, nonce.subarray(0, length), ciphertext, tag, aad)).toBeUndefined();
    for (let length = 0; length < TAG_BYTES; length += 1)
      expect(decrypt(key, nonce, ciphertext, tag.subarray(0, length), aad)).toBeUndefined();
  });
});
