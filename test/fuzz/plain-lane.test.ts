import { createServer, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { expect } from 'vitest';
import {
  PARTIAL_HEAD,
  type PlainHeaders,
  type PlainRequest,
  PlainRequestReader,
  UNUSUAL,
} from '../../src/http/wire/plain-request.ts';
import { fuzz } from './support/fuzz.ts';
import { hostileText, mutated } from './support/inputs.ts';

const PATH = '/uiam/api/v1/authentication/_authenticate';
const BODY_LIMIT = 5_000;
const reader = new PlainRequestReader(PATH, BODY_LIMIT);

const NAMES = [
  'host',
  'connection',
  'content-type',
  'content-length',
  'authorization',
  'x-client-authentication',
  'x-opaque-id',
  'traceparent',
  'x-forwarded-for',
] as const satisfies (keyof PlainHeaders)[];

/** Fields that a parser may treat specially, with values that may change the framing. */
const SPECIAL = [
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: identity',
  'Content-Length: 0',
  'Content-Length: 3',
  'Content-Length: +2',
  'Content-Length: 2, 2',
  'Content-Length:',
  'Connection: close',
  'Connection: keep-alive, close',
  'Connection: upgrade',
  'Connection: content-length',
  'Proxy-Connection: close',
  'Proxy-Connection: upgrade',
  'Keep-Alive: timeout=1',
  'Upgrade: h2c',
  'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
  'Expect: 100-continue',
  'Trailer: host',
  'TE: trailers',
  'Host: other',
  'Host:',
  'Content-Encoding: gzip',
  'Content-Type: text/plain',
  'Cookie: a=b',
  'Set-Cookie: a=b',
  'Authorization: ApiKey other',
  'X-Forwarded-For: 1.1.1.1',
  '__proto__: x',
  'constructor: x',
  'a:',
];

const visible = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
});
const field = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(fc.constantFrom(...NAMES), visible).map(([name, value]) => `${name}: ${value}`),
  },
  { weight: 4, arbitrary: fc.constantFrom(...SPECIAL) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.stringMatching(/^[!#$%&'*+.^_`|~\w-]{1,9}$/), visible)
      .map((pair) => pair.join(':')),
  },
  { weight: 1, arbitrary: hostileText.map((text) => `X-Any: ${text}`) },
);
const manyFields = fc
  .tuple(fc.constantFrom('a:', 'a:b', 'x-y: z'), fc.oneof(fc.integer({ min: 80, max: 120 }), fc.nat(2_100)))
  .map(([line, times]) => Array.from({ length: times }, () => line));

/** Mostly plain, so that the lane accepts many of them. */
const request = fc
  .record({
    query: fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom('', '?', '?include_token=true', '?a=b&c=%00') },
      {
        weight: 1,
        arbitrary: fc
          .string({ unit: fc.constantFrom(...'!"$%&\'()*+,-./:;<=>?@[\\]^_`{|}~aZ0'.split('')) })
          .map((text) => `?${text}`),
      },
    ),
    body: fc.oneof(
      fc.constantFrom('{}', '', '{"contexts":[]}', 'POST / HTTP/1.1\r\n\r\n', '0\r\n\r\n'),
      hostileText,
    ),
    length: fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom('', '0', '00') },
      { weight: 1, arbitrary: fc.constantFrom('+', '-', ' ', '0x', '1', '0,') },
    ),
    type: fc.constantFrom(
      'application/json',
      'Application/JSON',
      'application/json; charset=utf-8',
      'application/json;charset=UTF-8',
    ),
    others: fc.oneof(
      { weight: 30, arbitrary: fc.array(field, { maxLength: 2 }) },
      { weight: 1, arbitrary: manyFields },
    ),
    space: fc.constantFrom('', ' ', '\t', '  \t '),
    order: fc.nat(5),
    withBody: fc.constantFrom(true, true, true, false),
  })
  .map(({ query, body, length, type, others, space, order, withBody }) => {
    const content = withBody ? Buffer.from(body).toString('latin1') : '';
    const fields = [
      `Host:${space}x${space}`,
      ...(withBody
        ? [`Content-Type:${space}${type}${space}`, `content-length: ${length}${content.length}${space}`]
        : []),
    ];
    fields.splice(order % (fields.length + 1), 0, ...others);
    return `POST ${PATH}${query} HTTP/1.1\r\n${fields.map((line) => `${line}\r\n`).join('')}\r\n${content}`;
  });

const pipelined = fc
  .array(fc.oneof({ weight: 3, arbitrary: request }, mutated(request)), { minLength: 1, maxLength: 3 })
  // One character per byte.
  .map((requests) => Buffer.from(requests.join(''), 'latin1').toString('latin1'));

interface Seen {
  url: string;
  headers: Record<string, string | undefined>;
  body: string;
  keepAlive: boolean;
}

/** What the lane reads from the start of the text, and where it stops. */
function byLane(text: string): { seen: Seen[]; end: number } {
  const seen: Seen[] = [];
  let end = 0;
  while (end < text.length) {
    const read = reader.read(text, end);
    if (read === PARTIAL_HEAD || read === UNUSUAL || !('rawQuery' in read)) break;
    expect(read.end).toBeGreaterThan(end);
    expectPartialBefore(text, end, read);
    const query = text.slice(end).startsWith(`POST ${PATH}?`) ? `?${read.rawQuery}` : '';
    seen.push({ url: PATH + query, headers: { ...read.headers }, body: read.body ?? '', keepAlive: true });
    end = read.end;
  }
  return { seen, end };
}

/** A request that has not arrived completely must not be served. */
function expectPartialBefore(text: string, at: number, { end }: PlainRequest): void {
  for (const cut of [end - 1, Math.floor((at + end) / 2)]) {
    const read = reader.read(text.slice(0, cut), at);
    if (read === PARTIAL_HEAD || read === UNUSUAL) continue;
    expect(read).not.toHaveProperty('rawQuery');
    expect(read).toMatchObject({ bytes: end - at });
  }
}

/** What Node's HTTP server reads from the same bytes. */
async function byNode(text: string): Promise<{ seen: Seen[]; error: string | undefined }> {
  const seen: Seen[] = [];
  let error: string | undefined;
  let pending = 0;
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const server = createServer({ requireHostHeader: false }, (message, response) => {
    pending += 1;
    const chunks: Buffer[] = [];
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('end', () => {
      seen.push(seenBy(message, Buffer.concat(chunks), response.shouldKeepAlive));
      response.end();
      pending -= 1;
    });
  });
  server.on('clientError', ({ code }: NodeJS.ErrnoException) => {
    error ??= code;
  });
  server.emit('connection', socket);
  socket.push(Buffer.from(text, 'latin1'));
  // Later turns of the event loop deliver the bodies.
  for (let turn = 0; turn < 50 && (turn < 3 || pending > 0); turn += 1) await new Promise(setImmediate);
  socket.destroy();
  return { seen, error: error ?? (pending > 0 ? 'incomplete' : undefined) };
}

function seenBy(message: IncomingMessage, body: Buffer, keepAlive: boolean): Seen {
  return {
    url: `${message.url}`,
    headers: Object.fromEntries(NAMES.map((name) => [name, message.headers[name] as string | undefined])),
    body: body.toString('latin1'),
    keepAlive,
  };
}

fuzz(
  "reads what the plain lane accepts exactly like Node's HTTP server",
  pipelined,
  async (text) => {
    const { seen, end } = byLane(text);
    if (seen.length === 0) return 'handed over';
    expect(await byNode(text.slice(0, end))).toEqual({ seen, error: undefined });
    return 'accepted';
  },
  { accepted: 0.2, 'handed over': 0.05 },
);
