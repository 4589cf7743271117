import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MAX_UNFINISHED } from '../../../src/http/node-connections.ts';
import { RESPONSE_READ_MS, ResponseBudget } from '../../../src/http/response-budget.ts';
import { AUTHENTICATE_PATH } from '../../../src/regional/authentication-call.ts';
import { type StubRegion, startStubRegion } from '../../support/stub-region.ts';

/** The field makes node:http serve the request. */
const request = (query: string, fields = 'Proxy-Connection: keep-alive\r\n') =>
  `POST ${AUTHENTICATE_PATH}?${query} HTTP/1.1\r\nHost: x\r\n${fields}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;
/** A few of these are more than the kernel takes for a client that does not read. */
const BODY_BYTES = 4_000_000;

let region: StubRegion;
let budget: ResponseBudget;
let client: Socket;
/** The server's end of the connection. */
let accepted: Socket;
let served: string[];
let beforeBody: () => Promise<void>;
beforeEach(async () => {
  served = [];
  beforeBody = async () => {};
  budget = new ResponseBudget({ maxBytes: 1_000_000_000 });
  region = await startStubRegion({}, async (query) => {
    served.push(query);
    await beforeBody();
    return budget.admit(query.startsWith('small') ? query : `${query} `.padEnd(BODY_BYTES, 'x'), 'org');
  });
  const connected = once(region.app.server, 'connection') as Promise<[Socket]>;
  client = connect(Number(new URL(region.url).port), '127.0.0.1').pause();
  [accepted] = await connected;
});
afterEach(async () => {
  client.destroy();
  await region.app.close();
});

const requests = (count: number, of: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => of(index)).join('');

/** All that the connection receives until the server closes it, or until it has received so many bodies. */
async function rest(bodies = Infinity): Promise<string> {
  let text = '';
  for await (const chunk of client) {
    text += String(chunk);
    if (text.length >= bodies * BODY_BYTES) break;
  }
  return text;
}

describe('a client that pipelines more requests than it reads responses', () => {
  it('gets a bounded number of responses, in order, and then the end of the connection', async () => {
    client.write(requests(150, (index) => request(`q${index}`)));
    await vi.waitFor(() => expect(served.length).toBe(MAX_UNFINISHED));
    const heads = [...(await rest()).matchAll(/HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*\r\n\w+ /g)].map(
      ([head]) => head,
    );
    expect(heads.map((head) => /q\d+/.exec(head)?.[0])).toEqual(
      Array.from({ length: MAX_UNFINISHED }, (_, index) => `q${index}`),
    );
    const closing = heads.filter((head) => /\r\nConnection: close\r\n/.test(head));
    expect(closing).toEqual(heads.slice(-1));
    expect(served.length).toBe(MAX_UNFINISHED);
  });

  it('is not read further once its connection ends, and gets all responses before the end', async () => {
    const first = Promise.withResolvers<void>();
    beforeBody = () => first.promise;
    const more = Buffer.from(requests(150_000, () => request('small')));
    client.write(more);
    await vi.waitFor(() => expect(served.length).toBe(MAX_UNFINISHED));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(accepted.bytesRead).toBeLessThan(1_000_000);
    first.resolve();
    // A reset would reject this.
    expect((await rest()).split('\r\n\r\nsmall').length - 1).toBe(MAX_UNFINISHED);
  });

  it('has its responses counted in the budget while they are unread, on both paths', async () => {
    client.write(requests(4, (index) => request(`q${index}`)));
    const other = connect(Number(new URL(region.url).port), '127.0.0.1').pause();
    try {
      await vi.waitFor(() => expect(served.length).toBe(4), 10_000);
      // The lane serves the next request once the kernel has taken the response to the one before.
      other.write(requests(200, () => request('lane', '')));
      await vi.waitFor(() => expect(served).toContain('lane'));
      const laneCalls = () => served.filter((query) => query === 'lane').length;
      let count: number;
      do {
        count = laneCalls();
        await new Promise((resolve) => setTimeout(resolve, 200));
      } while (laneCalls() > count);
      expect(count).toBeLessThan(20);
      expect(budget.bytes).toBeGreaterThanOrEqual(3 * BODY_BYTES);
    } finally {
      other.destroy();
      client.destroy();
    }
    await vi.waitFor(() => expect(budget.bytes).toBe(0));
  });

  it('gets the responses to requests that it sends one after the other, however many', async () => {
    client.resume();
    for (let index = 0; index < 2 * MAX_UNFINISHED; index += 1) {
      client.write(request('small'));
      expect(String((await once(client, 'data'))[0])).toMatch(/keep-alive.*small$/is);
    }
  });
});

describe('a response that its client does not read in time', () => {
  const tick = () => region.traffic.nodeConnections.tick();

  it('ends the connection, also if the client sends further requests', async () => {
    client.write(requests(MAX_UNFINISHED - 1, (index) => request(`q${index}`)));
    await vi.waitFor(() => expect(budget.bytes).toBeGreaterThan(0));
    const before = budget.bytes;
    for (let second = 0; second < RESPONSE_READ_MS / 1_000; second += 1) tick();
    expect(budget.bytes).toBe(before);
    tick();
    await vi.waitFor(() => expect(budget.bytes).toBe(0));
  });

  it('ends the connection, also if the client reads earlier ones meanwhile', async () => {
    client.write(requests(6, (index) => request(`q${index}`)));
    await vi.waitFor(() => expect(budget.bytes).toBe(6 * BODY_BYTES), 10_000);
    for (let read = 0; read < 3; read += 1) {
      for (let second = 0; second < RESPONSE_READ_MS / 3_000; second += 1) tick();
      const before = budget.bytes;
      while (budget.bytes === before) {
        if (client.read() === null) await once(client, 'readable');
        // The server may have noticed that a response is read.
        await setImmediate();
      }
      expect(budget.bytes).toBeGreaterThan(0);
    }
    tick();
    await vi.waitFor(() => expect(budget.bytes).toBe(0));
  });

  it('does not count the time that an earlier response takes', async () => {
    const first = Promise.withResolvers<void>();
    beforeBody = () => (served.at(-1) === 'first' ? first.promise : Promise.resolve());
    client.write(request('first') + request('second'));
    await vi.waitFor(() => expect(budget.bytes).toBe(BODY_BYTES));
    for (let second = 0; second < 3 * (RESPONSE_READ_MS / 1_000); second += 1) tick();
    first.resolve();
    expect((await rest(2)).match(/(first|second) x/g)).toEqual(['first x', 'second x']);
  });
});
