import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { AUTHENTICATE_PATH } from '../../../src/regional/authentication-call.ts';
import { outcomeOf } from '../../../src/regional/authentication-metrics.ts';
import { type StubRegion, startStubRegion } from '../../support/stub-region.ts';

let region: StubRegion;
afterEach(() => region?.app.close());

interface Call {
  from: string;
  path?: string;
  headers?: Record<string, string>;
}

/** Status, code and Retry-After of a call. */
async function call({ from, path = AUTHENTICATE_PATH, headers = {} }: Call) {
  return new Promise<{ status: number; code: string | undefined; retryAfter: number }>((resolve, reject) => {
    request(
      `${region.url}${path}`,
      { method: 'POST', localAddress: from, headers: { 'content-type': 'application/json', ...headers } },
      (response) => {
        text(response).then((body) => {
          resolve({
            status: response.statusCode ?? 0,
            code: JSON.parse(body).error?.code,
            retryAfter: Number(response.headers['retry-after']),
          });
        }, reject);
      },
    )
      .on('error', reject)
      .end('{}');
  });
}

async function statuses(calls: readonly Call[]): Promise<number[]> {
  const found = [];
  for (const each of calls) found.push((await call(each)).status);
  return found;
}

describe.each([['true'], ['false']])('with FAST_LANE=%s', (lane) => {
  const start = async (settings: Record<string, string>) => {
    region = await startStubRegion({ FAST_LANE: lane, ...settings }, async () => '{}');
  };
  const limited = { REGIONAL_RATE_LIMIT_PER_MINUTE: '2' };

  it('refuses calls of an address beyond its limit with 429, and serves other addresses', async () => {
    await start(limited);
    const from = '127.0.1.1';
    expect(await statuses([{ from }, { from }])).toEqual([200, 200]);
    const refused = await call({ from });
    expect(refused).toMatchObject({ status: 429, code: '0x1A1429' });
    expect(refused.retryAfter).toBeGreaterThan(0);
    expect(refused.retryAfter).toBeLessThanOrEqual(60);
    expect(await statuses([{ from: '127.0.1.2' }])).toEqual([200]);
    expect(await region.metric('iam_traffic_refusals_total', { reason: 'request_rate' })).toBe(1);
    expect(
      await region.metric('iam_authentication_requests_total', { outcome: 'limited', tier: 'none' }),
    ).toBe(1);
  });

  it('counts clients behind a trusted proxy apart, and ignores what others forward', async () => {
    await start({ ...limited, TRUSTED_PROXIES: '127.0.1.9' });
    const via = (from: string, client: string): Call => ({ from, headers: { 'x-forwarded-for': client } });
    const [first, second] = [via('127.0.1.9', '192.0.2.1'), via('127.0.1.9', '192.0.2.2')];
    expect(await statuses([first, first, first, second])).toEqual([200, 200, 429, 200]);
    const forged = ['192.0.2.3', '192.0.2.4', '192.0.2.5'].map((client) => via('127.0.1.1', client));
    expect(await statuses(forged)).toEqual([200, 200, 429]);
  });

  it('counts forwarded calls and unknown paths', async () => {
    await start({ ...limited, CONTROL_PLANE_URL: 'http://127.0.0.1:1' });
    const from = '127.0.1.1';
    const forwarded = { from, path: '/uiam/api/v1/api-keys/_grant' };
    const unknown = { from, path: '/other' };
    expect(await statuses([forwarded, unknown, forwarded, unknown, { from }])).toEqual([
      401, 404, 429, 429, 429,
    ]);
  });

  it('has no limit by default', async () => {
    await start({});
    expect(new Set(await statuses(Array.from({ length: 100 }, () => ({ from: '127.0.1.1' }))))).toEqual(
      new Set([200]),
    );
  });
});

it('counts refusals by whose fault they are', () => {
  expect([200, 400, 401, 403, 404, 409, 413, 429].map(outcomeOf)).toEqual([
    'granted',
    'invalid',
    'unauthenticated',
    'denied',
    'invalid',
    'invalid',
    'invalid',
    'limited',
  ]);
  expect([500, 502, 503].map(outcomeOf)).toEqual(['error', 'error', 'unavailable']);
});
