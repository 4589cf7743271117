import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { AUTHENTICATE_PATH } from '../../../src/regional/authentication-call.ts';
import { type StubRegion, startStubRegion } from '../../support/stub-region.ts';

const REQUEST = `POST ${AUTHENTICATE_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;
const LONG = 'x'.repeat(20_000_000);

let region: StubRegion;
let client: Socket;
let called: PromiseWithResolvers<void>;
let body: Promise<string | { text: string; release: () => void }>;
beforeEach(async () => {
  called = Promise.withResolvers();
  region = await startStubRegion({ FAST_LANE: 'false' }, async () => {
    called.resolve();
    return body;
  });
  client = connect(Number(new URL(region.url).port), '127.0.0.1').pause();
  client.write(REQUEST);
});
afterEach(async () => {
  client.destroy();
  await region.app.close();
});

async function everything(): Promise<string> {
  let text = '';
  for await (const chunk of client) text += String(chunk);
  return text;
}

it('a server that closes announces the end of a connection with its pending response', async () => {
  const pending = Promise.withResolvers<string>();
  body = pending.promise;
  await called.promise;
  const closed = region.app.close();
  await vi.waitFor(() => expect(region.app.server.listening).toBe(false));
  pending.resolve('late');
  expect(await everything()).toMatch(/^HTTP\/1\.1 200 OK\r\n.*Connection: close\r\n\r\nlate$/is);
  await closed;
});

it('a server that closes ends a connection with the response that it is sending', async () => {
  body = Promise.resolve({ text: LONG, release: () => {} });
  await called.promise;
  await once(client, 'readable');
  const closed = region.app.close();
  await vi.waitFor(() => expect(region.app.server.listening).toBe(false));
  const text = await everything();
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n.*Connection: keep-alive/is);
  expect(text.endsWith(LONG)).toBe(true);
  await closed;
});
