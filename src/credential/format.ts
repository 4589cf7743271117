import { crc32 } from 'node:zlib';
import { decodeCanonical } from './base64.ts';
import type { DecodeFailure } from './decode-failure.ts';
import { type Credential, readPayload, V1_ID_BYTES, V1_SECRET_BYTES, writePayload } from './payload.ts';

export { type DecodeFailure, decodeFailureMessage } from './decode-failure.ts';
export type { Credential } from './payload.ts';

export type DecodedCredential = { ok: true; credential: Credential } | { ok: false; reason: DecodeFailure };

/** Longer than every credential, encoded twice or not; checked before any work is done on the input. */
const MAX_TEXT_CHARS = 512;
const CRC_BYTES = 8;
/** A further word before the base64: the credential of an environment whose prefix is not accepted (`essu_dev_` where only `essu` is). */
const FURTHER_PREFIX = /^[a-z]{1,16}_/;

/** A new v1 credential: 128 random bits of id, 256 random bits of secret. */
export function generateCredential(randomBytes: (n: number) => Buffer): Credential {
  return {
    id: randomBytes(V1_ID_BYTES).toString('base64url'),
    secret: randomBytes(V1_SECRET_BYTES).toString('base64'),
    layout: 'v1',
  };
}

/** The text its owner is shown: `prefix_` and base64 of payload and checksum. `prefix` comes without its underscore. */
export function encodeCredential(prefix: string, credential: Credential): string {
  const payload = writePayload(credential);
  const checksum = Buffer.alloc(CRC_BYTES);
  checksum.writeUInt32BE(crc32(payload), CRC_BYTES - 4);
  return `${prefix}_${Buffer.concat([payload, checksum]).toString('base64')}`;
}

/**
 * Reads a credential strictly: one text per credential, and no single changed character passes. Never throws.
 * The checksum is no secret and proves nothing about the key; it keeps damaged input away from the database and argon2.
 */
export function decodeCredential(text: string, acceptedPrefixes: readonly string[]): DecodedCredential {
  if (text.length > MAX_TEXT_CHARS) return refuse('too_long');
  const body = afterPrefix(text, acceptedPrefixes);
  if (body === undefined) return refuse(doubleEncoding(text, acceptedPrefixes) ?? 'prefix');

  const bytes = decodeCanonical(body, 'base64');
  if (bytes === undefined) return refuse(FURTHER_PREFIX.test(body) ? 'prefix' : 'base64');
  if (bytes.length <= CRC_BYTES) return refuse('checksum');

  const payload = bytes.subarray(0, bytes.length - CRC_BYTES);
  // The checksum is written as 64 bits: the upper half has to be zero, or 2^32 texts would name one credential.
  if (bytes.readUInt32BE(payload.length) !== 0) return refuse('checksum');
  if (bytes.readUInt32BE(payload.length + 4) !== crc32(payload)) return refuse('checksum');

  const credential = readPayload(payload);
  return credential === undefined ? refuse('shape') : { ok: true, credential };
}

function refuse(reason: DecodeFailure): DecodedCredential {
  return { ok: false, reason };
}

/** What follows the longest accepted prefix: `essu` is also the beginning of `essu_dev`. */
function afterPrefix(text: string, acceptedPrefixes: readonly string[]): string | undefined {
  let longest: string | undefined;
  for (const prefix of acceptedPrefixes) {
    const better = longest === undefined || prefix.length > longest.length;
    if (better && text[prefix.length] === '_' && text.startsWith(prefix)) longest = prefix;
  }
  return longest === undefined ? undefined : text.slice(longest.length + 1);
}

/** Clients wrap a credential as they wrap native keys. Read leniently: this only chooses the sentence of the refusal. */
function doubleEncoding(text: string, acceptedPrefixes: readonly string[]): DecodeFailure | undefined {
  const inner = Buffer.from(text, 'base64').toString('latin1');
  if (afterPrefix(inner, acceptedPrefixes) !== undefined) return 'double_encoded';
  const colon = inner.indexOf(':');
  if (colon < 0) return undefined;
  return afterPrefix(inner.slice(colon + 1), acceptedPrefixes) === undefined
    ? undefined
    : 'double_encoded_with_id';
}
