import type { FastifyRequest } from 'fastify';
import { beforeEach, describe, expect, it } from 'vitest';
import { CallerGate } from '../../../../src/control-plane/http/caller-gate.ts';
import { IamError } from '../../../../src/errors.ts';
import type { KeyAuthenticator } from '../../../../src/keys/key-authenticator.ts';
import { StoreUnavailableError } from '../../../../src/keys/key-store.ts';
import { keyRecord } from '../../../support/records.ts';

const FAILURES = 3;
const CALLS = 4;

let nowMs: number;
let gate: CallerGate;
/** How the authentication of the next calls ends. */
let failure: Error | undefined;
let lookups: number;
beforeEach(() => {
  nowMs = 1_000_000;
  failure = undefined;
  lookups = 0;
  const authenticator = {
    decode: (header: string | undefined) => {
      if (header === undefined) throw new IamError('CREDENTIAL_UNDECODABLE');
      const [id = '', secret = ''] = header.split(':');
      return { id, secret };
    },
    authenticateCredential: async ({ id }: { id: string }) => {
      lookups += 1;
      if (failure) throw failure;
      return { loaded: { record: keyRecord(id, 1, { organizationId: id.slice(0, 4) }) } };
    },
  } as unknown as KeyAuthenticator;
  gate = new CallerGate({
    authenticator,
    failuresPerMinute: FAILURES,
    callsPerMinute: CALLS,
    now: () => nowMs,
  });
});

/** The reason of the refusal, or `ok`. */
async function call(authorization: string | undefined, address = '192.0.2.1', action = 'api_key.list') {
  const request = {
    headers: { authorization },
    clientNetwork: address,
    raw: { socket: {} },
    routeOptions: { config: { audit: { action } } },
  } as unknown as FastifyRequest;
  try {
    const { key, secret } = await gate.authenticate(request);
    expect([key.id, secret]).toEqual(authorization?.split(':'));
    return 'ok';
  } catch (error) {
    return error instanceof IamError ? error.reason : (error as Error).name;
  }
}
async function calls(count: number, ...args: Parameters<typeof call>) {
  const outcomes = [];
  for (let nth = 0; nth < count; nth += 1) outcomes.push(await call(...args));
  return outcomes;
}
const times = (count: number, outcome: string) => Array(count).fill(outcome);

describe('an address', () => {
  it('may fail so often per minute, and then costs no lookup', async () => {
    failure = new IamError('API_KEY_MISSING');
    expect(await calls(FAILURES + 2, 'org1-k:wrong')).toEqual([
      ...times(FAILURES, 'API_KEY_MISSING'),
      ...times(2, 'RATE_LIMITED'),
    ]);
    expect(lookups).toBe(FAILURES);
    expect(await call('org1-k:wrong', '192.0.2.2')).toBe('API_KEY_MISSING');
    nowMs += 60_001;
    expect(await call('org1-k:wrong')).toBe('API_KEY_MISSING');
  });

  it('is not charged for successes, and for failures that are ours', async () => {
    for (const secret of ['a', 'b', 'c', 'd', 'e']) expect(await call(`org${secret}-k:${secret}`)).toBe('ok');
    failure = new StoreUnavailableError('Postgres');
    expect(await calls(FAILURES + 1, 'org1-x:right')).toEqual(times(FAILURES + 1, 'StoreUnavailableError'));
    failure = new IamError('EXPIRY_UNDECIDABLE');
    expect(await calls(FAILURES + 1, 'org1-x:right')).toEqual(times(FAILURES + 1, 'EXPIRY_UNDECIDABLE'));
  });

  it('does not block a credential that has just authenticated there, until that fails', async () => {
    expect(await call('org1-k:right')).toBe('ok');
    failure = new IamError('API_KEY_MISSING');
    await calls(FAILURES, 'org2-k:wrong');
    failure = undefined;
    expect(await call('org1-k:right')).toBe('ok');
    expect(await call('org3-k:right')).toBe('RATE_LIMITED');
    failure = new IamError('API_KEY_REVOKED');
    expect(await call('org1-k:right')).toBe('API_KEY_REVOKED');
    expect(await call('org1-k:right')).toBe('RATE_LIMITED');
  });

  it('does not block the last ten thousand credentials', async () => {
    for (let nth = 0; nth <= 10_000; nth += 1) await call(`o${nth}-k:right`, '192.0.2.2');
    failure = new IamError('API_KEY_MISSING');
    await calls(FAILURES, 'org2-k:wrong');
    failure = undefined;
    expect(await call('o0-k:right')).toBe('RATE_LIMITED');
    expect(await call('o1-k:right')).toBe('ok');
  });

  it('has a budget of its own for text that does not decode', async () => {
    expect(await calls(FAILURES + 1, undefined)).toEqual([
      ...times(FAILURES, 'CREDENTIAL_UNDECODABLE'),
      'RATE_LIMITED',
    ]);
    expect(await call(undefined, '192.0.2.2')).toBe('CREDENTIAL_UNDECODABLE');
    expect(await call('org1-k:right')).toBe('ok');
  });
});

describe('a credential', () => {
  it('may call so often per minute, from any address', async () => {
    expect(await calls(CALLS, 'org1-k:right')).toEqual(times(CALLS, 'ok'));
    expect(await call('org1-k:right', '192.0.2.2')).toBe('RATE_LIMITED');
    expect(await call('org1-other:right')).toBe('ok');
    nowMs += 60_001;
    expect(await call('org1-k:right')).toBe('ok');
  });

  it('shares twice that budget with its organization', async () => {
    for (const key of ['a', 'b']) expect(await calls(CALLS, `org1-${key}:right`)).toEqual(times(CALLS, 'ok'));
    expect(await call('org1-c:right')).toBe('RATE_LIMITED');
    expect(await call('org2-c:right')).toBe('ok');
  });

  it('can revoke while its other budgets are used up, within a budget for that', async () => {
    for (const key of ['a', 'b']) await calls(CALLS, `org1-${key}:right`);
    const revoke = ['org1-a:right', '192.0.2.1', 'api_key.revoke'] as const;
    expect(await calls(CALLS, ...revoke)).toEqual(times(CALLS, 'ok'));
    expect(await call(...revoke)).toBe('RATE_LIMITED');
    expect(await call('org1-b:right', '192.0.2.1', 'api_key.revoke')).toBe('ok');
  });
});
