import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { startTcpProxy, type TcpProxy } from '../../support/servers/tcp-proxy.ts';

/** Long enough for loopback to deliver every byte that the proxy forwards. */
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
  const [response] = (await once(socket, 'data')) as [Buffer];
  return response.toString();
}

function failure(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    socket.once('close', () => resolve(undefined));
  });
}

it('forwards both directions and the end of the connection', async () => {
  const proxy = await startProxy();
  const socket = await open(proxy);
  expect(await say(socket, 'hello')).toBe('hello');
  expect(proxy.connections()).toBe(1);
  socket.end();
  await once(socket, 'close');
  await expect.poll(() => proxy.connections()).toBe(0);
});

it('resets open connections and refuses new ones between cut and restore', async () => {
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

it('keeps and accepts connections in a blackhole but forwards nothing', async () => {
  const proxy = await startProxy();
  const old = await open(proxy);
  await say(old, 'hello');
  proxy.blackhole();
  const fresh = await open(proxy);
  const responses: Buffer[] = [];
  for (const socket of [old, fresh]) {
    socket.on('data', (chunk: Buffer) => responses.push(chunk));
    socket.write('anyone?');
  }
  await sleep(SILENCE_MS);
  expect(responses).toEqual([]);
  expect(received).toBe('hello');
  expect([old.destroyed, fresh.destroyed]).toEqual([false, false]);

  const broken = [failure(old), failure(fresh)];
  await proxy.restore();
  expect(await Promise.all(broken)).toEqual(['ECONNRESET', 'ECONNRESET']);
  expect(await say(await open(proxy), 'again')).toBe('again');
});

it('keeps a connection that was idle during a blackhole', async () => {
  const proxy = await startProxy();
  const socket = await open(proxy);
  await say(socket, 'hello');
  proxy.blackhole();
  await proxy.restore();
  expect(await say(socket, 'still here')).toBe('still here');
});

it('delivers only to the server when half open', async () => {
  const proxy = await startProxy();
  const socket = await open(proxy);
  await say(socket, 'hello ');
  proxy.halfOpen();
  const responses: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => responses.push(chunk));
  socket.write('world');
  await expect.poll(() => received).toBe('hello world');
  await sleep(SILENCE_MS);
  expect(responses).toEqual([]);
});

it('delivers nothing to the server when half open towards it', async () => {
  const proxy = await startProxy();
  const socket = await open(proxy);
  await say(socket, 'hello');
  proxy.halfOpen('toServer');
  socket.write(' world');
  await sleep(SILENCE_MS);
  expect(received).toBe('hello');
});

it('delays each direction and keeps the order when the delay shrinks', async () => {
  const proxy = await startProxy();
  const socket = await open(proxy);
  await say(socket, 'warm');
  proxy.delay(100);
  const begun = performance.now();
  expect(await say(socket, 'slow')).toBe('slow');
  expect(performance.now() - begun).toBeGreaterThanOrEqual(195);

  let output = '';
  socket.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  socket.write('first');
  await sleep(20);
  proxy.delay(0);
  socket.write(' second');
  await expect.poll(() => output).toBe('first second');
});
