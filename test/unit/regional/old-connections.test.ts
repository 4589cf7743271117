import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { type StubRegion, startStubRegion } from '../../support/stub-region.ts';

const MAX_AGE_MS = 1_000;

let region: StubRegion;
afterEach(() => region?.app.close());

it.each([['true'], ['false']])(
  'an old connection ends with its next response, also if that precedes the body (FAST_LANE=%s)',
  async (FAST_LANE) => {
    region = await startStubRegion(
      { FAST_LANE, MAX_CONNECTION_AGE_MS: String(MAX_AGE_MS) },
      async () => '{}',
    );
    const client = connect(Number(new URL(region.url).port), '127.0.0.1');
    const ask = async () => {
      client.write(
        'POST /unknown HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{',
      );
      const [chunk] = (await once(client, 'data')) as [Buffer];
      return chunk.toString();
    };
    try {
      expect(await ask()).toMatch(/^HTTP\/1\.1 404 .*Connection: keep-alive/is);
      client.write('}');
      await sleep(MAX_AGE_MS);
      expect(await ask()).toMatch(/^HTTP\/1\.1 404 .*Connection: close/is);
    } finally {
      client.destroy();
    }
  },
);
