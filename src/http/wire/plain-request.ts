/** A request of the plain form. Strings contain one byte per character. */
export interface PlainRequest {
  /** Raw query string without the question mark. */
  rawQuery: string;
  headers: PlainHeaders;
  /** `undefined` if the request has none. */
  body: string | undefined;
  /** Offset behind the request, where the next one starts. */
  end: number;
}

/** The header fields that are read. A request that repeats one of them is not plain. */
export interface PlainHeaders {
  host: string | undefined;
  connection: string | undefined;
  'content-type': string | undefined;
  'content-length': string | undefined;
  authorization: string | undefined;
  'x-client-authentication': string | undefined;
  'x-opaque-id': string | undefined;
  traceparent: string | undefined;
  'x-forwarded-for': string | undefined;
}

/** A request whose head is complete and whose body is not. */
export interface PartialBody {
  headers: PlainHeaders;
  /** Length of the whole request. */
  bytes: number;
}

/** The head of the request is incomplete. */
export const PARTIAL_HEAD = Symbol('incomplete head');

/** The input is not a plain request. */
export const UNUSUAL = Symbol('not a plain request');

const SPACE = 0x20;
export const MAX_HEAD_BYTES = 8_192;
/** The parser of node:http drops or refuses fields beyond its own, higher limits. Clients send a few dozen at most. */
const MAX_FIELDS = 100;
export const END_OF_HEAD = '\r\n\r\n';
const QUERY = /\?([!"$-~]*)(?= )/y;
const VERSION = ' HTTP/1.1\r\n';
/**
 * Field lines up to the empty line, as RFC 9110 (5.5, 5.6.2) lets a sender write them: no line folding, no bare line
 * feed, no byte above 0x7e.
 */
const FIELD_LINES = /(?:[\w!#$%&'*+.^`|~-]+:[\t -~]*\r\n)*\r\n/y;
const JSON_TYPE = /^application\/json(?:; ?charset=utf-8)?$/i;
const LENGTH = /^\d{1,7}$/;

/**
 * Recognizes POST requests of the form that HTTP clients usually send: HTTP/1.1, keep-alive, JSON with a Content-Length.
 * It is not an HTTP parser (RFC 9112): every input that is not certain to have exactly one meaning is `UNUSUAL`.
 */
export class PlainRequestReader {
  readonly #start: string;
  readonly #bodyLimit: number;

  /** @param path exact path of the only resource @param bodyLimit bytes; longer bodies are unusual */
  constructor(path: string, bodyLimit: number) {
    this.#start = `POST ${path}`;
    this.#bodyLimit = bodyLimit;
  }

  /** Reads the request that starts at offset `at`. @param text received bytes, one byte per character */
  read(text: string, at: number): PlainRequest | PartialBody | typeof PARTIAL_HEAD | typeof UNUSUAL {
    const start = this.#start;
    if (!text.startsWith(start, at)) return start.startsWith(text.slice(at)) ? PARTIAL_HEAD : UNUSUAL;
    const endOfHead = text.indexOf(END_OF_HEAD, at);
    const headBytes = (endOfHead < 0 ? text.length : endOfHead) - at;
    if (headBytes > MAX_HEAD_BYTES) return UNUSUAL;
    if (endOfHead < 0) return PARTIAL_HEAD;

    QUERY.lastIndex = at + start.length;
    const query = text[QUERY.lastIndex] === '?' ? QUERY.exec(text) : undefined;
    if (query === null || !text.startsWith(VERSION, QUERY.lastIndex)) return UNUSUAL;
    const fieldsAt = QUERY.lastIndex + VERSION.length;
    FIELD_LINES.lastIndex = fieldsAt;
    if (!FIELD_LINES.test(text)) return UNUSUAL;
    const headers = readHeaders(text, fieldsAt, endOfHead + 2);
    if (headers === undefined) return UNUSUAL;
    const length = this.#bodyLength(headers);
    if (length === undefined) return UNUSUAL;

    const bodyAt = endOfHead + END_OF_HEAD.length;
    const end = bodyAt + length;
    if (end > text.length) return { headers, bytes: end - at };
    return {
      rawQuery: query?.[1] ?? '',
      headers,
      body: length === 0 ? undefined : text.slice(bodyAt, end),
      end,
    };
  }

  /** @returns `undefined` if the request is not plain */
  #bodyLength(headers: PlainHeaders): number | undefined {
    const { host, connection, 'content-type': type, 'content-length': length } = headers;
    if (host === undefined) return undefined;
    if (connection !== undefined && connection.toLowerCase() !== 'keep-alive') return undefined;
    if (length === undefined) return type === undefined ? 0 : undefined;
    if (type === undefined || !JSON_TYPE.test(type) || !LENGTH.test(length)) return undefined;
    const bytes = Number(length);
    return bytes <= this.#bodyLimit ? bytes : undefined;
  }
}

/** @param from start of the field lines, which are well-formed @param to end of the last one */
function readHeaders(text: string, from: number, to: number): PlainHeaders | undefined {
  const headers: PlainHeaders = {
    host: undefined,
    connection: undefined,
    'content-type': undefined,
    'content-length': undefined,
    authorization: undefined,
    'x-client-authentication': undefined,
    'x-opaque-id': undefined,
    traceparent: undefined,
    'x-forwarded-for': undefined,
  };
  for (let at = from, count = 1; at < to; count += 1) {
    if (count > MAX_FIELDS) return undefined;
    const colon = text.indexOf(':', at);
    const end = text.indexOf('\r\n', colon);
    const name = knownName(text, at, colon);
    at = end + 2;
    if (name === undefined) continue;
    if (isForHttpServer(name) || headers[name] !== undefined) return undefined;
    headers[name] = trimmed(text, colon + 1, end);
  }
  return headers;
}

/**
 * Fields that change the framing or the order of the messages, or the end of the connection; node:http implements them.
 * Its parser treats Proxy-Connection like Connection.
 */
const FOR_HTTP_SERVER = ['transfer-encoding', 'expect', 'upgrade', 'trailer', 'proxy-connection'] as const;
type ForHttpServer = (typeof FOR_HTTP_SERVER)[number];

/** Names of the fields that are read, by their length. */
const NAMES_BY_LENGTH = Map.groupBy(
  [
    'host',
    'connection',
    'content-type',
    'content-length',
    'authorization',
    'x-client-authentication',
    'x-opaque-id',
    'traceparent',
    'x-forwarded-for',
    ...FOR_HTTP_SERVER,
  ] as const,
  (name) => name.length,
);

/** The name of a field if it is read. Names in lower case, the usual form, are compared without a new string. */
function knownName(text: string, at: number, colon: number) {
  return NAMES_BY_LENGTH.get(colon - at)?.find(
    (name) => text.startsWith(name, at) || text.slice(at, colon).toLowerCase() === name,
  );
}

function isForHttpServer(name: keyof PlainHeaders | ForHttpServer): name is ForHttpServer {
  return (FOR_HTTP_SERVER as readonly string[]).includes(name);
}

/** The value without surrounding spaces and tabs. */
function trimmed(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && text.charCodeAt(start) <= SPACE) start += 1;
  while (start < end && text.charCodeAt(end - 1) <= SPACE) end -= 1;
  return text.slice(start, end);
}
