import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AUTHENTICATE_PATH } from '../../../src/regional/authentication-call.ts';
import { type StubRegion, startStubRegion } from '../../support/stub-region.ts';

const JSON_TYPE = 'Content-Type: application/json\r\n';
const head = (query: string) => `POST ${AUTHENTICATE_PATH}?${query} HTTP/1.1\r\nHost: x\r\n${JSON_TYPE}`;
const plain = (query: string) => `${head(query)}Content-Length: 2\r\n\r\n{}`;
const chunked = (query: string, chunks: string) =>
  `${head(query)}Transfer-Encoding: chunked\r\n\r\n${chunks}`;
const GARBAGE = 'no HTTP at all\r\n\r\n';

let region: StubRegion;

async function open(): Promise<Socket> {
  const socket = connect({ port: Number(new URL(region.url).port), host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return socket;
}

/** All that a connection receives, and how it ends. */
function everything(socket: Socket): Promise<{ text: string; error: string | undefined }> {
  return new Promise((resolve) => {
    let text = '';
    let error: string | undefined;
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      error = code;
    });
    socket.on('close', () => resolve({ text, error }));
  });
}

/** The statuses and bodies in a stream of responses. */
function responsesIn(text: string): string[] {
  const responses = [];
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\r\n\r\n', at) + 4;
    const length = Number(/content-length: (\d+)/i.exec(text.slice(at, end))?.[1]);
    const body = text.slice(end, end + length);
    responses.push(
      `${text.slice(at + 9, at + 12)} ${body.includes('error') ? JSON.parse(body).error.code : body}`,
    );
    at = end + length;
  }
  return responses;
}

async function send(...pieces: (string | Buffer)[]) {
  const socket = await open();
  const received = everything(socket);
  for (const piece of pieces) {
    await new Promise((resolve) => socket.write(piece, resolve));
    await immediate();
  }
  const { text, error } = await received;
  return { responses: responsesIn(text), text, error };
}

it('refuses a request head that does not arrive in time with 408, and closes the connection', async () => {
  region = await startStubRegion({ FAST_LANE: 'false' }, async () => '{}');
  expect(region.app.server.headersTimeout).toBe(10_000);
  region.app.server.headersTimeout = 100;
  expect((await send(plain('a') + head('late'))).responses).toEqual(['200 {}', '408 0x1A0408']);
  await region.app.close();
}, 10_000);

describe.each([['true'], ['false']])('with FAST_LANE=%s, after pipelined requests', (lane) => {
  beforeAll(async () => {
    region = await startStubRegion({ FAST_LANE: lane }, async (query) => {
      if (query.startsWith('slow')) await sleep(20);
      return `"${query}"`;
    });
  });
  afterAll(() => region.app.close());

  const requests = plain('slow1') + chunked('slow2', '2\r\n{}\r\n0\r\n\r\n') + plain('fast3');
  const answered = ['200 "slow1"', '200 "slow2"', '200 "fast3"'];

  it('sends all responses in order, then 400, wherever the bytes are split', async () => {
    const text = requests + GARBAGE;
    const splits = Array.from({ length: text.length }, (_, index) => index);
    while (splits.length > 0) {
      const some = splits.splice(0, 25);
      const got = await Promise.all(some.map((at) => send(text.slice(0, at), text.slice(at))));
      for (const [index, { responses, error }] of got.entries()) {
        expect({ at: some[index], responses, error }).toEqual({
          at: some[index],
          responses: [...answered, '400 0x1A0400'],
          error: undefined,
        });
      }
    }
  }, 60_000);

  it('sends 400 in the place of a request with an unreadable body', async () => {
    const { responses } = await send(requests + chunked('broken', 'zz\r\n') + plain('never'));
    expect(responses).toEqual([...answered, '400 0x1A0400']);
  });

  it('sends nothing after an early refusal of the request with the unreadable body', async () => {
    const unknown = `POST /other HTTP/1.1\r\nHost: x\r\n${JSON_TYPE}Transfer-Encoding: chunked\r\n\r\n`;
    expect((await send(requests + unknown + 'zz\r\n')).responses).toEqual([...answered, '404 0x1A0404']);
    const socket = await open();
    const received = everything(socket);
    socket.write(unknown);
    await once(socket, 'data');
    socket.write('zz\r\n');
    expect(responsesIn((await received).text)).toEqual(['404 0x1A0404']);
  });

  it('sends nothing after a response that closes the connection', async () => {
    const last = plain('slow1').replace('Host: x\r\n', 'Host: x\r\nConnection: close\r\n');
    const { responses, text, error } = await send(last + GARBAGE, Buffer.alloc(4_000_000, 'x'));
    expect({ responses, error }).toEqual({ responses: ['200 "slow1"'], error: undefined });
    expect(text).toMatch(/\r\nConnection: close\r\n/i);
  });

  it('discards what the client still sends, so that it can read everything', async () => {
    const more = Buffer.alloc(4_000_000, 'x');
    const { responses, error } = await send(requests + GARBAGE, more);
    expect({ responses, error }).toEqual({ responses: [...answered, '400 0x1A0400'], error: undefined });
  });

  it('closes a connection whose client never ends its side', async () => {
    const socket = connect({
      port: Number(new URL(region.url).port),
      host: '127.0.0.1',
      allowHalfOpen: true,
    });
    const received = everything(socket);
    socket.write(requests + GARBAGE);
    await once(socket, 'end');
    const timer = setInterval(() => socket.write('x'), 50);
    const { text } = await received;
    clearInterval(timer);
    expect(responsesIn(text)).toEqual([...answered, '400 0x1A0400']);
  });
});
