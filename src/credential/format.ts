import { crc32 } from 'node:zlib';
import { decodeCanonical } from './base64.ts';
import type { DecodeFailure } from './decode-failure.ts';
import { type Credential, readPayload, V1_ID_BYTES, V1_SECRET_BYTES, writePayload } from './payload.ts';

export { type DecodeFailure, decodeFailureMessage } from './decode-failure.ts';
export type { Credential } from './payload.ts';

export type DecodedCredential = { ok: true; credential: Credential } | { ok: false; reason: DecodeFailure };

/** Longer than every credential, even if encoded twice. Checked before any other work on the input. */
const MAX_TEXT_CHARS = 512;
const CRC_BYTES = 8;
/** The rest of a longer prefix, such as `dev_` of `essu_dev_` where only `essu` is accepted. */
const FURTHER_PREFIX = /^[a-z]{1,16}_/;

/** Creates a v1 credential: an id of 128 random bits and a secret of 256 random bits. */
export function generateCredential(randomBytes: (n: number) => Buffer): Credential {
  return {
    id: randomBytes(V1_ID_BYTES).toString('base64url'),
    secret: randomBytes(V1_SECRET_BYTES).toString('base64'),
    layout: 'v1',
  };
}

/** Returns `prefix_` and the base64 of payload and checksum. @param prefix without the underscore */
export function encodeCredential(prefix: string, credential: Credential): string {
  const payload = writePayload(credential);
  const checksum = Buffer.alloc(CRC_BYTES);
  checksum.writeUInt32BE(crc32(payload), CRC_BYTES - 4);
  return `${prefix}_${Buffer.concat([payload, checksum]).toString('base64')}`;
}

/**
 * Decodes a credential strictly: each credential has one valid text, and any single changed character is detected. Never
 * throws. The checksum proves nothing about the key; it keeps damaged input away from the database and argon2.
 */
export function decodeCredential(text: string, acceptedPrefixes: readonly string[]): DecodedCredential {
  if (text.length > MAX_TEXT_CHARS) return refuse('too_long');
  const body = afterPrefix(text, acceptedPrefixes);
  if (body === undefined) return refuse(doubleEncoding(text, acceptedPrefixes) ?? 'prefix');

  const bytes = decodeCanonical(body, 'base64');
  if (bytes === undefined) return refuse(FURTHER_PREFIX.test(body) ? 'prefix' : 'base64');
  if (bytes.length <= CRC_BYTES) return refuse('checksum');

  const payload = bytes.subarray(0, bytes.length - CRC_BYTES);
  // The checksum has 64 bits. Its upper half must be zero, or 2^32 texts would encode one credential.
  if (bytes.readUInt32BE(payload.length) !== 0) return refuse('checksum');
  if (bytes.readUInt32BE(payload.length + 4) !== crc32(payload)) return refuse('checksum');

  const credential = readPayload(payload);
  return credential === undefined ? refuse('shape') : { ok: true, credential };
}

function refuse(reason: DecodeFailure): DecodedCredential {
  return { ok: false, reason };
}

/** Returns the text behind the longest accepted prefix, because `essu` is also the start of `essu_dev`. */
function afterPrefix(text: string, acceptedPrefixes: readonly string[]): string | undefined {
  let longest: string | undefined;
  for (const prefix of acceptedPrefixes) {
    const longer = longest === undefined || prefix.length > longest.length;
    if (longer && text[prefix.length] === '_' && text.startsWith(prefix)) longest = prefix;
  }
  return longest === undefined ? undefined : text.slice(longest.length + 1);
}

/** Detects clients that encode a credential like a native key. Lenient, because it only selects the error message. */
function doubleEncoding(text: string, acceptedPrefixes: readonly string[]): DecodeFailure | undefined {
  const inner = Buffer.from(text, 'base64').toString('latin1');
  if (afterPrefix(inner, acceptedPrefixes) !== undefined) return 'double_encoded';
  const afterId = inner.slice(inner.indexOf(':') + 1);
  return afterPrefix(afterId, acceptedPrefixes) === undefined ? undefined : 'double_encoded_with_id';
}
