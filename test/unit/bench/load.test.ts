import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { runLoad } from '../../../bench/lib/load/run-load.ts';
import { httpPost } from '../../../bench/lib/requests.ts';

/** Starts a server that sends each response in two chunks, with the status and length for the request's number. */
async function serve(responseOf: (count: number) => { status: number; bytes: number }): Promise<number> {
  let count = 0;
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      const { status, bytes } = responseOf(count);
      count += 1;
      response.writeHead(status, { 'content-length': bytes });
      response.write('x'.repeat(bytes / 2));
      setImmediate(() => response.end('x'.repeat(bytes - bytes / 2)));
    });
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close().closeAllConnections());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

it('sends exactly `count` requests and counts the responses by status', async () => {
  const port = await serve((count) => ({ status: count % 4 === 3 ? 503 : 200, bytes: 1_000 }));
  const result = await runLoad({ port, requests: [httpPost('/', {}, '{}')], connections: 4, count: 40 });
  expect(result).toMatchObject({ responses: 40, sent: 40, statuses: { 200: 30, 503: 10 } });
});

it('counts a response once if it arrives in chunks and with varying length', async () => {
  const port = await serve((count) => ({ status: 200, bytes: 200_000 + 2 * count }));
  const result = await runLoad({ port, requests: [httpPost('/', {}, '{}')], connections: 1, count: 10 });
  expect(result.responses).toBe(10);
  expect(result.responseBytes).toBeGreaterThan(200_018);
});

it('keeps the rate of an open loop', async () => {
  const port = await serve(() => ({ status: 200, bytes: 100 }));
  const result = await runLoad({
    port,
    requests: [httpPost('/', {}, '{}')],
    connections: 16,
    seconds: 0.5,
    ratePerSecond: 200,
  });
  expect(result.perSecond).toBeGreaterThan(100);
  expect(result.perSecond).toBeLessThan(300);
});

it('rejects if the server closes the connection', async () => {
  const server = createServer((request) => request.socket.destroy()).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const load = runLoad({ port, requests: [httpPost('/', {}, '{}')], connections: 1, count: 1 });
  await expect(load).rejects.toThrow(String(port));
});
