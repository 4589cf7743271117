import { describe, expect, it } from 'vitest';
import { PARTIAL_HEAD, PlainRequestReader, UNUSUAL } from '../../../../src/http/wire/plain-request.ts';

const BODY_LIMIT = 1_000;
const reader = new PlainRequestReader('/a/_b', BODY_LIMIT);

interface Message {
  line?: string;
  fields?: string[];
  body?: string;
}

const usualFields = (body: string) => [
  'Host: x',
  'Authorization: ApiKey abc',
  'Content-Type: application/json',
  `Content-Length: ${body.length}`,
];

function message({ line = 'POST /a/_b HTTP/1.1', body = '{}', fields = usualFields(body) }: Message = {}) {
  return `${line}\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n${body}`;
}

const withField = (...fields: string[]) => message({ fields: [...usualFields('{}'), ...fields] });

describe('PlainRequestReader', () => {
  it('reads the query, the fields and the body', () => {
    const text = message({ line: 'POST /a/_b?c=d&e HTTP/1.1' });
    expect(reader.read(text, 0)).toMatchObject({
      rawQuery: 'c=d&e',
      headers: { host: 'x', authorization: 'ApiKey abc', 'x-client-authentication': undefined },
      body: '{}',
      end: text.length,
    });
  });

  it.each([
    ['field names in any case', withField('X-CLIENT-Authentication: s'), { 'x-client-authentication': 's' }],
    ['space around a value', withField('x-opaque-id: \t a b \t'), { 'x-opaque-id': 'a b' }],
    ['an empty value', withField('x-opaque-id:'), { 'x-opaque-id': '' }],
    ['fields that it ignores', withField('Accept: */*', 'X-Y: "z"', 'Accept: */*'), {}],
    ['a keep-alive connection', withField('Connection: Keep-Alive'), { connection: 'Keep-Alive' }],
  ])('accepts %s', (_name, text, headers) => {
    expect(reader.read(text, 0)).toMatchObject({ headers, body: '{}', end: text.length });
  });

  it.each([
    ['no body', message({ fields: ['Host: x'], body: '' }), undefined],
    ['an empty body', message({ body: '' }), undefined],
    ['any bytes in the body', message({ body: '\x00\xff\r\n\r\nPOST' }), '\x00\xff\r\n\r\nPOST'],
    [
      'an explicit charset',
      message({
        fields: ['Host: x', 'Content-Type: application/json; charset=UTF-8', 'Content-Length: 2'],
      }),
      '{}',
    ],
    ['a body at the limit', message({ body: 'x'.repeat(BODY_LIMIT) }), 'x'.repeat(BODY_LIMIT)],
  ])('accepts %s', (_name, text, body) => {
    expect(reader.read(text, 0)).toMatchObject({ body, end: text.length });
  });

  it('reads pipelined requests one by one', () => {
    const first = message();
    const text = first + message({ body: '[1]' });
    expect(reader.read(text, 0)).toMatchObject({ body: '{}', end: first.length });
    expect(reader.read(text, first.length)).toMatchObject({ body: '[1]', end: text.length });
  });

  it('reports an incomplete request at every length before its end', () => {
    const text = message();
    const endOfHead = text.indexOf('\r\n\r\n') + 4;
    for (let length = 0; length < text.length; length += 1) {
      const partial = reader.read(text.slice(0, length), 0);
      if (length < endOfHead) expect(partial, `${length} bytes`).toBe(PARTIAL_HEAD);
      else expect(partial, `${length} bytes`).toMatchObject({ headers: { host: 'x' }, bytes: text.length });
    }
  });
});

describe('PlainRequestReader reports as unusual', () => {
  it.each([
    ['another method', message({ line: 'GET /a/_b HTTP/1.1' })],
    ['a method in lower case', message({ line: 'post /a/_b HTTP/1.1' })],
    ['another path', message({ line: 'POST /a/_bc HTTP/1.1' })],
    ['a longer path', message({ line: 'POST /a/_b/ HTTP/1.1' })],
    ['a fragment', message({ line: 'POST /a/_b?c#d HTTP/1.1' })],
    ['a query with a space', message({ line: 'POST /a/_b?c d HTTP/1.1' })],
    ['a query with a byte above ASCII', message({ line: 'POST /a/_b?\xe9 HTTP/1.1' })],
    ['an absolute URL', message({ line: 'POST http://x/a/_b HTTP/1.1' })],
    ['HTTP/1.0', message({ line: 'POST /a/_b HTTP/1.0' })],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['an empty line first', `\r\n${message()}`],
    ['a line feed without carriage return', message().replace('\r\n', '\n')],
    ['a bare carriage return', withField('x-y: a\rb')],
    ['a bare line feed in a field', withField('x-y: a\nTransfer-Encoding: chunked')],
    ['a folded line', withField('x-y: a', ' b')],
    ['a space before the colon', withField('x-y : a')],
    ['a space before the name', withField(' x-y: a')],
    ['a field without a colon', withField('nonsense')],
    ['a field without a name', withField(': a')],
    ['a NUL', withField('x-y: a\x00b')],
    ['a DEL', withField('x-y: a\x7fb')],
    ['a byte above ASCII in a field', withField('x-y: \xe9')],
    ['no host', message({ fields: ['Content-Type: application/json', 'Content-Length: 2'] })],
    ['no length', message({ fields: ['Host: x', 'Content-Type: application/json'] })],
    ['no type', message({ fields: ['Host: x', 'Content-Length: 2'] })],
    ['another type', message({ fields: ['Host: x', 'Content-Type: text/plain', 'Content-Length: 2'] })],
    ...['-2', '+2', '0x2', '2.0', '2, 2', '2 2', '', '99999999'].map((length) => [
      `a length of "${length}"`,
      message({ fields: ['Host: x', 'Content-Type: application/json', `Content-Length: ${length}`] }),
    ]),
    ['a body that is too long', message({ body: 'x'.repeat(BODY_LIMIT + 1) })],
    ['a connection to close', withField('Connection: close')],
    ['a connection upgrade', withField('Connection: keep-alive, upgrade')],
    ['an upgrade', withField('Upgrade: h2c')],
    ['a chunked body', withField('Transfer-Encoding: chunked')],
    ['an expectation', withField('Expect: 100-continue')],
    ['trailers', withField('Trailer: x-y')],
    ['a connection to close at a proxy, which node:http obeys', withField('Proxy-Connection: close')],
    ['many fields, which node:http refuses', withField(...Array<string>(100).fill('a:'))],
    ...['Host: x', 'Content-Length: 2', 'Content-Type: application/json', 'Authorization: ApiKey abc'].map(
      (field) => [`a second ${field.split(':')[0]}`, withField(field)],
    ),
    [
      'a second X-Client-Authentication in another case',
      withField('X-Client-Authentication: a', 'x-client-authentication: b'),
    ],
    ['a long head', withField(`x-y: ${'a'.repeat(10_000)}`)],
    ['a long head without an end', message({ fields: ['a'.repeat(10_000)] }).slice(0, 9_000)],
    ['a difference at the first byte', 'x'],
    ['a difference at the sixth byte', 'POST x'],
  ])('%s', (_name, text) => {
    expect(reader.read(text, 0)).toBe(UNUSUAL);
  });
});
