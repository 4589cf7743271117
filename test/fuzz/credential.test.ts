import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect } from 'vitest';
import {
  type Credential,
  decodeCredential,
  decodeFailureMessage,
  encodeCredential,
} from '../../src/credential/format.ts';
import { fuzz } from './support/fuzz.ts';
import { mutated } from './support/inputs.ts';

const PREFIXES = ['essu', 'essu_dev'];
const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((values) => Buffer.from(values));

const credential: fc.Arbitrary<Credential> = fc.oneof(
  fc.record({
    id: bytes(16).map((id) => id.toString('base64url')),
    secret: bytes(32).map((secret) => secret.toString('base64')),
    layout: fc.constant('v1' as const),
  }),
  fc.record({
    id: bytes(15).map((id) => id.toString('base64url')),
    secret: bytes(16).map((secret) => secret.toString('base64url')),
    layout: fc.constant('legacy' as const),
  }),
);

const encoded = fc
  .tuple(fc.constantFrom(...PREFIXES, 'essu_qa', 'ess'), credential)
  .map(([prefix, issued]) => encodeCredential(prefix, issued));

const sealed = (payload: Buffer, upper = 0) => {
  const checksum = Buffer.alloc(8);
  checksum.writeUInt32BE(upper);
  checksum.writeUInt32BE(crc32(payload), 4);
  return Buffer.concat([payload, checksum]).toString('base64');
};

/** Texts with a right checksum over a payload that was never issued. */
const withChecksum = fc
  .tuple(
    fc.constantFrom(...PREFIXES),
    mutated(
      credential.map((issued) =>
        Buffer.from(encodeCredential('essu', issued).slice(5), 'base64').subarray(0, -8).toString('latin1'),
      ),
    ),
    fc.constantFrom(0, 0, 0, 1, 2 ** 31),
  )
  .map(([prefix, payload, upper]) => `${prefix}_${sealed(Buffer.from(payload, 'latin1'), upper)}`);

const encodedAgain = encoded.map((text) => Buffer.from(text).toString('base64'));

const SHAPES = {
  v1: { id: /^[\w-]{22}$/, secret: /^[A-Za-z0-9+/]{43}=$/ },
  legacy: { id: /^[\w-]{20}$/, secret: /^[\w-]{22}$/ },
};

fuzz(
  'accepts no text except the one encoding of a credential',
  fc.oneof(encoded, mutated(encoded), withChecksum, mutated(withChecksum), mutated(encodedAgain)),
  (text) => {
    const decoded = decodeCredential(text, PREFIXES);
    if (!decoded.ok) {
      expect(decodeFailureMessage).toHaveProperty(decoded.reason);
      return 'refused';
    }
    const { id, secret, layout } = decoded.credential;
    expect(id).toMatch(SHAPES[layout].id);
    expect(secret).toMatch(SHAPES[layout].secret);
    const encodings = PREFIXES.map((prefix) => encodeCredential(prefix, decoded.credential));
    expect(encodings).toContain(text);
    return 'accepted';
  },
  { accepted: 0.05, refused: 0.2 },
);
