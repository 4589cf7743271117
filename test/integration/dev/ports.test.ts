import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { assertPortsFree, freePort } from '../../../dev/ports.ts';

async function occupy(host: string): Promise<number> {
  const server = createServer().listen(await freePort(), host);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

it.each(['127.0.0.1', '0.0.0.0'])(
  'names a port in use on %s, its purpose and the option that moves it',
  async (host) => {
    const taken = await occupy(host);
    const check = assertPortsFree([
      { name: 'regional service', port: taken },
      { name: 'control plane', port: await freePort() },
    ]);
    await expect(check).rejects.toThrow(
      new RegExp(`^Port ${taken} \\(regional service\\) is already in use.*--port-base`),
    );
  },
);

it('names every port in use at once', async () => {
  const [first, second] = [await occupy('127.0.0.1'), await occupy('127.0.0.1')];
  const check = assertPortsFree([
    { name: 'a', port: first },
    { name: 'b', port: second },
  ]);
  await expect(check).rejects.toThrow(`Ports ${first} (a), ${second} (b) are already in use`);
});

it('accepts free ports and does not keep them open', async () => {
  const ports = [{ name: 'regional service', port: await freePort() }];
  await assertPortsFree(ports);
  await assertPortsFree(ports);
});

it('never returns the same free port twice', async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, () => freePort()));
  expect(new Set(ports).size).toBe(50);
});
