import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BodyBudget } from '../../../../src/http/body-budget.ts';
import { ClientAddresses } from '../../../../src/http/client-addresses.ts';
import { ClientCertificates } from '../../../../src/http/client-certificates.ts';
import { ConnectionAges } from '../../../../src/http/connection-ages.ts';
import { RESPONSE_READ_MS, SLICE_BYTES } from '../../../../src/http/response-budget.ts';
import { PlainConnection, type PlainResponse, TICK_MS } from '../../../../src/http/wire/plain-connection.ts';
import { PlainRequestReader } from '../../../../src/http/wire/plain-request.ts';
import { ResponseHead } from '../../../../src/http/wire/response-head.ts';

const IDLE_TICKS = 3;
const HEAD_TICKS = 2;
const MAX_AGE_MS = 10_000;
const REQUEST =
  'POST /a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}';

let nowMs: number;
let reader: PlainRequestReader;
let server: Server;
let client: Socket;
/** The server's end of the connection. */
let socket: Socket;
let connection: PlainConnection;
let respond: () => PlainResponse | Promise<PlainResponse>;
/** Resolves when the first request arrives. */
let requested: PromiseWithResolvers<void>;
let handedOver: Promise<string>;

beforeEach(async () => {
  nowMs = 0;
  reader = new PlainRequestReader('/a', 1_000);
  respond = () => '"done"';
  requested = Promise.withResolvers();
  server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const { port } = server.address() as { port: number };
  client = connect(port, '127.0.0.1');
  [socket] = await accepted;
  const ages = new ConnectionAges(MAX_AGE_MS, () => nowMs);
  ages.start(socket);
  handedOver = new Promise((resolve) => {
    connection = new PlainConnection(
      socket,
      {
        reader,
        head: new ResponseHead(() => 0, 72_000),
        idleTicks: IDLE_TICKS,
        headTicks: HEAD_TICKS,
        addresses: new ClientAddresses([]),
        certificates: new ClientCertificates([]),
        ages,
        bodies: new BodyBudget(1_000_000),
        admits: () => true,
        respond: () => {
          requested.resolve();
          return respond();
        },
      },
      () => socket.once('data', (rest) => resolve(rest.toString())),
    );
  });
});
afterEach(() => {
  client.destroy();
  server.close();
});

async function received(): Promise<string> {
  const [chunk] = (await once(client, 'data')) as [Buffer];
  return chunk.toString();
}

/** Lets the server read the received data. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

it('sends the response head that node:http writes', async () => {
  client.write(REQUEST);
  expect(await received()).toBe(
    'HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: 6\r\n' +
      'Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=72\r\n\r\n"done"',
  );
});

it('ends an old connection with its next response, and no younger one', async () => {
  client.write(REQUEST);
  expect(await received()).toContain('Connection: keep-alive');
  nowMs = MAX_AGE_MS;
  connection.tick();
  client.write(REQUEST);
  expect(await received()).toMatch(/Connection: close\r\n\r\n"done"$/);
  await once(client, 'end');
});

it('sends a refusal in UTF-8 with its length in bytes', async () => {
  respond = () => ({ status: 401, reason: 'Unauthorized', headers: { 'x-y': 'z' }, body: '"é"' });
  client.write(REQUEST);
  expect(await received()).toMatch(
    /^HTTP\/1\.1 401 Unauthorized\r\nx-y: z\r\n(?:.+\r\n)*content-length: 4\r\n(?:.+\r\n)*\r\n"é"$/,
  );
});

it('closes a connection after the idle timeout, and only then', async () => {
  const closed = once(client, 'close');
  client.write(REQUEST);
  await received();
  for (let tick = 0; tick < IDLE_TICKS; tick += 1) connection.tick();
  expect(client.closed).toBe(false);
  connection.tick();
  client.resume();
  await closed;
});

it('closes a connection that has not sent a request head in time, and only then', async () => {
  const closed = once(client, 'close');
  for (let tick = 0; tick < HEAD_TICKS; tick += 1) connection.tick();
  expect(socket.destroyed).toBe(false);
  connection.tick();
  await turns(1);
  expect(socket.destroyed).toBe(true);
  client.resume();
  await closed;
});

it('serves a request that has arrived at the end of the idle timeout', async () => {
  client.write(REQUEST);
  await received();
  // Continues where the timer of the ticks does: sockets are read after it.
  await sleep(1);
  client.write(REQUEST);
  for (let tick = 0; tick <= IDLE_TICKS; tick += 1) connection.tick();
  expect(await received()).toMatch(/"done"$/);
});

it('hands over a request that is incomplete at two ticks, with all received bytes', async () => {
  client.write(REQUEST.slice(0, 40));
  await once(socket, 'data');
  connection.tick();
  connection.tick();
  expect(await handedOver).toBe(REQUEST.slice(0, 40));
});

it('sends responses in the order of their requests, also if one takes longer', async () => {
  const slow = Promise.withResolvers<PlainResponse>();
  const responses: (PlainResponse | Promise<PlainResponse>)[] = [slow.promise, '"second"', '"third"'];
  respond = () => responses.shift() as PlainResponse;
  client.write(REQUEST + REQUEST);
  client.write(REQUEST);
  let text = '';
  client.on('data', (chunk) => {
    text += chunk.toString();
  });
  slow.resolve('"first"');
  await expect.poll(() => text.match(/"\w+"$/gm)?.length ?? 0).toBeGreaterThan(0);
  await expect
    .poll(() => [...text.matchAll(/"(\w+)"/g)].map(([, word]) => word))
    .toEqual(['first', 'second', 'third']);
});

it('serves all requests of a client that half-closes, and hands over the first that is not plain', async () => {
  const slow = Promise.withResolvers<PlainResponse>();
  const responses: (PlainResponse | Promise<PlainResponse>)[] = [
    slow.promise,
    Promise.resolve('"second"'),
    '"third"',
  ];
  respond = () => responses.shift() as PlainResponse;
  const sent = once(client, 'finish');
  client.end(`${REQUEST.repeat(3)}GET /b HTTP/1.1\r\n\r\n`);
  let text = '';
  client.on('data', (chunk) => {
    text += chunk.toString();
  });
  await Promise.all([requested.promise, sent]);
  await turns(3);
  slow.resolve('"first"');
  expect(await handedOver).toBe('GET /b HTTP/1.1\r\n\r\n');
  await expect
    .poll(() => [...text.matchAll(/"(\w+)"/g)].map(([, word]) => word))
    .toEqual(['first', 'second', 'third']);
});

it('announces and closes the connection with the last response to a client that half-closed', async () => {
  const slow = Promise.withResolvers<PlainResponse>();
  respond = () => slow.promise;
  client.end(REQUEST);
  await once(socket, 'end');
  slow.resolve('"done"');
  expect(await received()).toContain('\r\nConnection: close\r\n');
  client.resume();
  await once(client, 'close');
});

it('survives a client that disconnects before its response', async () => {
  const slow = Promise.withResolvers<PlainResponse>();
  respond = () => slow.promise;
  client.write(REQUEST);
  await requested.promise;
  client.resetAndDestroy();
  await once(client, 'close');
  slow.resolve('"late"');
  await turns(1);
});

it('ends a connection whose client does not read its short responses in time, and not before', async () => {
  respond = () => 'x'.repeat(10_000);
  client.write(REQUEST.repeat(10_000));
  await vi.waitFor(() => expect(socket.writableNeedDrain).toBe(true));
  const closed = once(socket, 'close');
  for (let tick = 0; tick < RESPONSE_READ_MS / TICK_MS; tick += 1) {
    // Other input of the client is no sign that it reads.
    socket.emit('data', Buffer.from('P'));
    connection.tick();
  }
  expect(socket.destroyed).toBe(false);
  socket.emit('data', Buffer.from('P'));
  connection.tick();
  await closed;
});

describe('a long body', () => {
  const text = `"${'x'.repeat(20_000_000)}"`;
  let released: number;
  const release = () => {
    released += 1;
  };
  beforeEach(() => {
    released = 0;
    respond = () => ({ text, release });
  });

  it('arrives whole, and the next request on the connection is served after it', async () => {
    client.write(REQUEST + REQUEST);
    await requested.promise;
    respond = () => '"next"';
    let received = '';
    client.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    await expect.poll(() => received.endsWith('"next"')).toBe(true);
    const [, body, ...rest] = received.split('\r\n\r\n');
    expect(body?.startsWith(text)).toBe(true);
    expect(received).toContain(`content-length: ${text.length}\r\n`);
    expect(rest).toEqual(['"next"']);
    expect(released).toBe(1);
  });

  it('is written in slices, between which the event loop turns', async () => {
    const writes: number[] = [];
    let loops = 0;
    const count = () => {
      loops += 1;
      if (released === 0) setImmediate(count);
    };
    const { write } = socket;
    socket.write = ((...args: Parameters<typeof write>) => {
      writes.push(loops);
      return write.apply(socket, args);
    }) as typeof write;
    client.resume();
    client.write(REQUEST);
    await requested.promise;
    count();
    await expect.poll(() => released).toBe(1);
    expect(writes.length).toBe(Math.ceil(text.length / SLICE_BYTES));
    expect(new Set(writes.slice(1)).size).toBe(writes.length - 1);
  });

  it('is not buffered for a client that does not read, and is released when the client leaves', async () => {
    client.write(REQUEST);
    await requested.promise;
    await expect.poll(() => socket.writableNeedDrain).toBe(true);
    await turns(5);
    expect(socket.writableLength).toBeLessThanOrEqual(2 * SLICE_BYTES);
    expect(released).toBe(0);
    client.resetAndDestroy();
    await expect.poll(() => released).toBe(1);
  });

  it('ends its connection if the client takes too long, and not before', async () => {
    client.write(REQUEST);
    await requested.promise;
    const closed = once(socket, 'close');
    for (let tick = 0; tick < RESPONSE_READ_MS / TICK_MS; tick += 1) {
      // Other input of the client is no sign that it reads.
      socket.emit('data', Buffer.from('P'));
      connection.tick();
    }
    expect(released).toBe(0);
    socket.emit('data', Buffer.from('P'));
    connection.tick();
    await closed;
    await expect.poll(() => released).toBe(1);
  });

  it('is released if the client has left before', async () => {
    const slow = Promise.withResolvers<PlainResponse>();
    const response = respond();
    respond = () => slow.promise;
    client.write(REQUEST);
    await requested.promise;
    client.resetAndDestroy();
    await expect.poll(() => socket.destroyed).toBe(true);
    slow.resolve(response);
    await turns(2);
    expect(released).toBe(1);
  });
});

it('parses a request that arrives byte by byte three times, and not with every byte', async () => {
  const read = vi.spyOn(reader, 'read');
  client.setNoDelay(true);
  const answered = received();
  for (const byte of Buffer.from(REQUEST)) {
    client.write(Buffer.of(byte));
    await turns(1);
  }
  expect(await answered).toContain('"done"');
  // The first byte, the whole head, and the whole request.
  expect(read.mock.calls.length).toBeLessThanOrEqual(3);
});
