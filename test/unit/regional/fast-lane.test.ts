import pino from 'pino';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { IamError } from '../../../src/errors.ts';
import { ClientAddresses } from '../../../src/http/client-addresses.ts';
import { ErrorLog } from '../../../src/http/error-log.ts';
import type { Traffic } from '../../../src/http/traffic.ts';
import type { PlainHeaders } from '../../../src/http/wire/plain-request.ts';
import { QuarantinedKeyError } from '../../../src/keys/key-record.ts';
import { AuthenticationMetrics } from '../../../src/regional/authentication-metrics.ts';
import type { AuthenticationService } from '../../../src/regional/authentication-service.ts';
import { FastLane } from '../../../src/regional/fast-lane.ts';
import { RequestLimit } from '../../../src/regional/request-limit.ts';

const addresses = new ClientAddresses([]);
const connection = {
  certificate: true,
  peer: addresses.peerOf({ remoteAddress: '192.0.2.1' }),
  isGone: () => false,
};

const headersWith = (authorization: string | undefined) => ({ authorization }) as PlainHeaders;

/** A fast lane before a service that refuses every call but one with the credential `good`. */
function laneTo(refusal: Error) {
  const registry = new Registry();
  const service = {
    assertHead: (authorization: string | undefined, certificate: boolean) => {
      if (authorization !== 'good' || !certificate) throw refusal;
    },
    lookup: () => undefined,
    authenticate: async () => {
      throw refusal;
    },
  } as unknown as AuthenticationService;
  const log = new ErrorLog(pino({ level: 'silent' }), () => 0);
  const limit = new RequestLimit(0, {} as Traffic, () => 0);
  const metrics = new AuthenticationMetrics(registry);
  return { lane: new FastLane(service, metrics, log, addresses, limit), registry };
}

it('admits the body of a call only if its head can succeed', () => {
  const { lane } = laneTo(new IamError('CREDENTIAL_UNDECODABLE'));
  expect(lane.admits(headersWith('good'), connection)).toBe(true);
  expect(lane.admits(headersWith('bad'), connection)).toBe(false);
  expect(lane.admits(headersWith('good'), { ...connection, certificate: false })).toBe(false);
});

it.each([
  [
    new QuarantinedKeyError('id', 'role_assignments.project'),
    [{ labels: { column: 'role_assignments' }, value: 1 }],
  ],
  [new IamError('API_KEY_MISSING'), []],
])('counts a refusal by column only for a key whose row does not parse: %s', async (refusal, values) => {
  const { lane, registry } = laneTo(refusal);
  await lane.respond({ headers: headersWith(undefined), rawQuery: '', body: undefined, end: 0 }, connection);
  const metric = await registry.getSingleMetric('iam_quarantined_keys_total')?.get();
  expect(metric?.values).toEqual(values);
});
