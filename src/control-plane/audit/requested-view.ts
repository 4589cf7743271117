const MAX_DEPTH = 8;
const MAX_ENTRIES = 500;
const MAX_CHARS = 16_384;
const MAX_ID_CHARS = 512;

/** A credential of this service, with any prefix that it accepts. */
const CREDENTIAL = /essu\w*_[\w+/=-]+/g;
/** Long enough for a secret: 32 bytes in base64 have 43 characters. */
const POSSIBLE_SECRET = /[\w+/=-]{43,}/g;
const REDACTED = '[redacted]';

/**
 * Returns untrusted input in a form that an audit event may store: bounded, without text that Postgres refuses, and
 * without anything that could be a credential.
 * @returns `undefined` for input without content
 */
export function requestedView(input: unknown): unknown {
  if (input === undefined || input === null) return undefined;
  const view = storable(input, 0);
  const chars = JSON.stringify(view).length;
  return chars <= MAX_CHARS ? view : { omitted: `${chars} characters` };
}

function storable(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return storableText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === MAX_DEPTH) return '…';
  if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((entry) => storable(entry, depth + 1));
  const entries = Object.entries(value).slice(0, MAX_ENTRIES);
  return Object.fromEntries(entries.map(([name, entry]) => [storableText(name), storable(entry, depth + 1)]));
}

function storableText(text: string): string {
  return storableId(text, MAX_CHARS).replace(POSSIBLE_SECRET, REDACTED);
}

/** Returns untrusted text from a URL. Postgres stores neither NUL nor half a surrogate pair. */
export function storableId(id: string, maxChars = MAX_ID_CHARS): string {
  return id.slice(0, maxChars).replaceAll('\0', '\ufffd').toWellFormed().replace(CREDENTIAL, REDACTED);
}
