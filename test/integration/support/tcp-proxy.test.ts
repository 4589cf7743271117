import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { startTcpProxy, type TcpProxy } from '../../support/servers/tcp-proxy.ts';

/** Long enough for loopback to deliver whatever is going to be delivered. */
const SILENCE_MS = 150;
let received = '';
const echo = createServer((socket) => {
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    received += chunk.toString();
    socket.write(chunk);
  });
  socket.on('end', () => socket.end());
});

beforeAll(async () => {
  await once(echo.listen(0, '127.0.0.1'), 'listening');
});
afterAll(() => void echo.close());

async function startProxy(): Promise<TcpProxy> {
  received = '';
  const proxy = await startTcpProxy({ targetPort: (echo.address() as { port: number }).port });
  onTestFinished(() => proxy.close());
  return proxy;
}

async function open(proxy: TcpProxy): Promise<Socket> {
  const socket = connect(proxy.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function say(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return answer.toString();
}

function failure(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    socket.once('close', () => resolve(undefined));
  });
}

test('untouched, it forwards both ways and passes the end on', async () => {
  const proxy = await startProxy();
  const socket = await open(proxy);
  expect(await say(socket, 'hello')).toBe('hello');
  expect(proxy.connections()).toBe(1);
  socket.end();
  await once(socket, 'close');
  await expect.poll(() => proxy.connections()).toBe(0);
});

test('cut resets what is open and refuses what is new, until restore', async () => {
  const proxy = await startProxy();
  const socket = await open(proxy);
  await say(socket, 'hello');
  const broken = failure(socket);
  await proxy.cut();
  expect(await broken).toBe('ECONNRESET');
  expect(await failure(connect(proxy.port, '127.0.0.1'))).toBe('ECONNREFUSED');
  await proxy.restore();
  expect(await say(await open(proxy), 'again')).toBe('again');
});

test('blackhole keeps connections open, accepts new ones, and forwards nothing in either direction', async () => {
  const proxy = await startProxy();
  const old = await open(proxy);
  await say(old, 'hello');
  proxy.blackhole();
  const fresh = await open(proxy);
  const answers: Buffer[] = [];
  for (const socket of [old, fresh]) {
    socket.on('data', (chunk: Buffer) => answers.push(chunk));
    socket.write('anyone?');
  }
  await sleep(SILENCE_MS);
  expect(answers).toEqual([]);
  expect(received).toBe('hello');
  expect([old.destroyed, fresh.destroyed]).toEqual([false, false]);

  const broken = [failure(old), failure(fresh)];
  await proxy.restore();
  expect(await Promise.all(broken)).toEqual(['ECONNRESET', 'ECONNRESET']);
  expect(await say(await open(proxy), 'again')).toBe('again');
});

test('a connection that was idle throughout a blackhole goes on afterwards', async () => {
  const proxy = await startProxy();
  const socket = await open(proxy);
  await say(socket, 'hello');
  proxy.blackhole();
  await proxy.restore();
  expect(await say(socket, 'still here')).toBe('still here');
});

test('half open, the server hears the client and the client hears nothing', async () => {
  const proxy = await startProxy();
  const socket = await open(proxy);
  await say(socket, 'hello ');
  proxy.halfOpen();
  const answers: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => answers.push(chunk));
  socket.write('world');
  await expect.poll(() => received).toBe('hello world');
  await sleep(SILENCE_MS);
  expect(answers).toEqual([]);
});

test('half open towards the server, nothing the client says arrives', async () => {
  const proxy = await startProxy();
  const socket = await open(proxy);
  await say(socket, 'hello');
  proxy.halfOpen('toServer');
  socket.write(' world');
  await sleep(SILENCE_MS);
  expect(received).toBe('hello');
});

test('delay holds every answer back for that long each way, and keeps the order when it shrinks', async () => {
  const proxy = await startProxy();
  const socket = await open(proxy);
  await say(socket, 'warm');
  proxy.delay(100);
  const begun = performance.now();
  expect(await say(socket, 'slow')).toBe('slow');
  expect(performance.now() - begun).toBeGreaterThanOrEqual(195);

  let heard = '';
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.toString();
  });
  socket.write('first');
  await sleep(20);
  proxy.delay(0);
  socket.write(' second');
  await expect.poll(() => heard).toBe('first second');
});
