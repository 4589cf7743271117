import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { AUTHENTICATE_PATH } from '../../../src/regional/authentication-call.ts';
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

const HEAD = 'HTTP/1.1\r\nHost: x\r\n';
/** Answered without the hooks of Fastify. */
const BYPASSES: [answer: string, request: string][] = [
  ['417', `POST ${AUTHENTICATE_PATH} ${HEAD}Expect: x\r\n\r\n`],
  ['400', `GET /%zz ${HEAD}\r\n`],
];

it.each(BYPASSES.flatMap((each) => ['true', 'false'].map((lane) => [...each, lane] as const)))(
  'an old connection also ends with a %s that no hook has seen',
  async (status, text, FAST_LANE) => {
    region = await startStubRegion(
      { FAST_LANE, MAX_CONNECTION_AGE_MS: String(MAX_AGE_MS) },
      async () => '{}',
    );
    const client = connect(Number(new URL(region.url).port), '127.0.0.1');
    const ask = async () => {
      client.write(text);
      const [chunk] = (await once(client, 'data')) as [Buffer];
      return chunk.toString();
    };
    try {
      expect(await ask()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} .*Connection: keep-alive`, 'is'));
      await sleep(MAX_AGE_MS);
      expect(await ask()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} .*Connection: close`, 'is'));
      await once(client, 'end');
    } finally {
      client.destroy();
    }
  },
);
