import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { runLoad } from '../../../bench/lib/load/run-load.ts';
import { httpPost } from '../../../bench/lib/requests.ts';

/** Answers the n-th request with the n-th status and as many bytes as it is told, in two pieces. */
async function serve(answer: (count: number) => { status: number; bytes: number }): Promise<number> {
  let count = 0;
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      const { status, bytes } = answer(count);
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

test('a counted load sends each request once and tells answers apart by status', async () => {
  const port = await serve((count) => ({ status: count % 4 === 3 ? 503 : 200, bytes: 1_000 }));
  const result = await runLoad({ port, requests: [httpPost('/', {}, '{}')], connections: 4, count: 40 });
  expect(result).toMatchObject({ answered: 40, sent: 40, statuses: { 200: 30, 503: 10 } });
});

test('answers that arrive in pieces, and of another length each time, are counted once', async () => {
  const port = await serve((count) => ({ status: 200, bytes: 200_000 + 2 * count }));
  const result = await runLoad({ port, requests: [httpPost('/', {}, '{}')], connections: 1, count: 10 });
  expect(result.answered).toBe(10);
  expect(result.answerBytes).toBeGreaterThan(200_018);
});

test('an open loop keeps its rate', async () => {
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

test('a server that hangs up fails the load', async () => {
  const server = createServer((request) => request.socket.destroy()).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const load = runLoad({ port, requests: [httpPost('/', {}, '{}')], connections: 1, count: 1 });
  await expect(load).rejects.toThrow(String(port));
});
