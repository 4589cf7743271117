import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { KeyArrival } from '../../../src/keys/key-arrival.ts';

it('resolves when the change feed reports every key', async () => {
  const arrival = new KeyArrival(async () => 0);
  const waiting = arrival.wait(['a', 'b'], 60_000);
  arrival.apply({ entity: 'key', id: 'a', version: 1 });
  arrival.apply({ entity: 'key', id: 'other', version: 1 });
  arrival.apply({ entity: 'key', id: 'b', version: 1 });
  expect(await waiting).toBe(true);
});

it('waits until the last key has arrived, each caller for its own', async () => {
  const arrival = new KeyArrival(async () => 0);
  const arrived: string[] = [];
  const waiting = [['a', 'b'], ['a']].map(async (ids) => {
    await arrival.wait(ids, 60_000);
    arrived.push(ids.join());
  });
  await turn();
  arrival.apply({ entity: 'key', id: 'a', version: 1 });
  await turn();
  expect(arrived).toEqual(['a']);
  expect(await arrival.wait(['b'], 1), 'a caller that gives up').toBe(false);
  arrival.apply({ entity: 'key', id: 'b', version: 1 });
  await Promise.all(waiting);
  expect(arrived).toEqual(['a', 'a,b']);
});

it('resolves at once for keys that have arrived before', async () => {
  const arrival = new KeyArrival(async (ids) => ids.length);
  expect(await arrival.wait(['a'], 60_000)).toBe(true);
});

it('misses no key that arrives during the query', async () => {
  const arrival: KeyArrival = new KeyArrival(async (ids) => {
    for (const id of ids) arrival.apply({ entity: 'key', id, version: 1 });
    return 0;
  });
  expect(await arrival.wait(['a', 'b'], 60_000)).toBe(true);
});

it('finds a key after the timeout although the change feed is interrupted', async () => {
  let count = 0;
  const arrival = new KeyArrival(async () => count++);
  expect(await arrival.wait(['a'], 1)).toBe(true);
});

it('gives up after the timeout, also if the replica does not respond', async () => {
  expect(await new KeyArrival(async () => 0).wait(['a'], 1)).toBe(false);
  expect(await new KeyArrival(() => Promise.reject(new Error('down'))).wait(['a'], 1)).toBe(false);
});
