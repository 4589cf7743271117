import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { assertPortsFree, freePort } from '../../../dev/ports.ts';

async function occupy(host: string): Promise<number> {
  const server = createServer().listen(await freePort(), host);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

test.each(['127.0.0.1', '0.0.0.0'])(
  'a port taken on %s is named with what wanted it and the way out',
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

test('every taken port is named at once', async () => {
  const [first, second] = [await occupy('127.0.0.1'), await occupy('127.0.0.1')];
  const check = assertPortsFree([
    { name: 'a', port: first },
    { name: 'b', port: second },
  ]);
  await expect(check).rejects.toThrow(`Ports ${first} (a), ${second} (b) are already in use`);
});

test('free ports pass, and the check itself does not hold them', async () => {
  const ports = [{ name: 'regional service', port: await freePort() }];
  await assertPortsFree(ports);
  await assertPortsFree(ports);
});

test('freePort never gives the same port twice', async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, () => freePort()));
  expect(new Set(ports).size).toBe(50);
});
