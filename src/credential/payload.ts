import { decodeCanonical } from './base64.ts';

/** The content of a credential. `id` is public and safe in a URL path; `secret` is the text that is hashed. */
export interface Credential {
  id: string;
  secret: string;
  /** New credentials are `v1`; `legacy` credentials are only read. */
  layout: 'v1' | 'legacy';
}

export const V1_ID_BYTES = 16;
export const V1_SECRET_BYTES = 32;

const V1_TAG = 'v1:';
/**
 * `V1_ID_BYTES` in base64url and `V1_SECRET_BYTES` in base64, both canonical: the spare bits of the last character are
 * zero, or several texts would encode one credential.
 */
const V1_PAYLOAD = /^v1:([\w-]{21}[AQgw]):([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)$/;

const LEGACY_ID_CHARS = 20;
const LEGACY_SECRET_CHARS = 22;
const LEGACY_INNER_CHARS = LEGACY_ID_CHARS + 1 + LEGACY_SECRET_CHARS;
const URL_SAFE = /^[A-Za-z0-9_-]*$/;

/** Returns the bytes before the checksum. A legacy payload is base64 *text*, which is encoded again with the checksum. */
export function writePayload(credential: Credential): Buffer {
  const { id, secret, layout } = credential;
  if (layout === 'v1') return Buffer.from(`${V1_TAG}${id}:${secret}`, 'utf8');
  return Buffer.from(Buffer.from(`${id}:${secret}`, 'utf8').toString('base64'), 'ascii');
}

/** The layouts are unambiguous: a v1 payload contains a colon, and base64 text never does. */
export function readPayload(payload: Buffer): Credential | undefined {
  // latin1 keeps one character per byte; the alphabet checks refuse everything that is not ASCII.
  const text = payload.toString('latin1');
  return text.startsWith(V1_TAG) ? readV1(text) : readLegacy(text);
}

function readV1(text: string): Credential | undefined {
  const [, id, secret] = V1_PAYLOAD.exec(text) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret, layout: 'v1' };
}

function readLegacy(text: string): Credential | undefined {
  const inner = decodeCanonical(text, 'base64')?.toString('latin1');
  if (inner?.length !== LEGACY_INNER_CHARS || inner[LEGACY_ID_CHARS] !== ':') return undefined;
  const id = inner.slice(0, LEGACY_ID_CHARS);
  const secret = inner.slice(LEGACY_ID_CHARS + 1);
  return URL_SAFE.test(id) && URL_SAFE.test(secret) ? { id, secret, layout: 'legacy' } : undefined;
}
