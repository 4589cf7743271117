import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { openSealedResponse, sealResponse } from '../../../../src/control-plane/keys/sealed-response.ts';

const secret = randomBytes(32).toString('base64');

it('opens only with the same secret and context', () => {
  const sealed = sealResponse('{"key":"…"}', secret, 'here');
  expect(openSealedResponse(sealed, secret, 'here')).toBe('{"key":"…"}');
  expect(openSealedResponse(sealed, randomBytes(32).toString('base64'), 'here')).toBeUndefined();
  expect(openSealedResponse(sealed, secret, 'there')).toBeUndefined();
});

it('opens an empty text', () => {
  expect(openSealedResponse(sealResponse('', secret, 'here'), secret, 'here')).toBe('');
});

it('does not open after a bit flip or a truncation', () => {
  const { salt, sealed } = sealResponse('text', secret, 'here');
  for (let index = 0; index < sealed.length; index += 1) {
    const changed = Buffer.from(sealed);
    changed[index] = (changed[index] ?? 0) ^ 1;
    expect(openSealedResponse({ salt, sealed: changed }, secret, 'here')).toBeUndefined();
  }
  for (let length = 0; length < sealed.length; length += 1) {
    expect(openSealedResponse({ salt, sealed: sealed.subarray(0, length) }, secret, 'here')).toBeUndefined();
  }
});

it('seals equal texts to different bytes', () => {
  expect(sealResponse('text', secret, 'here').sealed).not.toEqual(
    sealResponse('text', secret, 'here').sealed,
  );
});

it('opens a value that an earlier release stored, since clients may retry across an upgrade', () => {
  const stored = {
    salt: Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex'),
    sealed: Buffer.from(
      '101112131415161718191a1bcfcf95c8fd7caf4563cb3db4e5801de1312a8a96b4dff3dbb8c20bac',
      'hex',
    ),
  };
  expect(openSealedResponse(stored, 'c2VjcmV0', 'POST /api/v1/keys')).toBe('{"key":"é"}');
});
