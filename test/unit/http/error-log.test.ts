import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { IamError } from '../../../src/errors.ts';
import { callerFields, ErrorLog } from '../../../src/http/error-log.ts';
import { authorizationOf, newCredential } from '../../support/keys.ts';

describe('ErrorLog', () => {
  const outage = (resource?: string) =>
    new IamError('UNAVAILABLE', {
      ...(resource !== undefined && { resource }),
      cause: new Error('outer', { cause: new Error('the password is wrong') }),
    });

  function logAt(level: string) {
    const lines: string[] = [];
    const clock = { nowMs: 0 };
    const logger = pino({ level }, { write: (line: string) => void lines.push(line) });
    const errorLog = new ErrorLog(logger, () => clock.nowMs);
    const parsed = () => lines.map((line) => JSON.parse(line));
    return { errorLog, clock, parsed };
  }

  it('logs a failure of the service with its code, its request and its root cause', () => {
    const { errorLog, parsed } = logAt('info');
    errorLog.write(outage(), 'request-1', { 'x-opaque-id': 'node-1' });
    expect(parsed()).toEqual([
      expect.objectContaining({
        level: 50,
        'error.code': '0x1A0503',
        'http.request.id': 'request-1',
        'labels.opaque_id': 'node-1',
        reason: 'the password is wrong',
        suppressed: 0,
      }),
    ]);
  });

  it('logs one line per second for each code and resource, and counts the suppressed ones', () => {
    const { errorLog, clock, parsed } = logAt('info');
    for (let call = 0; call < 1_000; call += 1) errorLog.write(outage(), 'request', {});
    errorLog.write(outage('another'), 'request', {});
    clock.nowMs = 1_000;
    errorLog.write(outage(), 'request', {});
    expect(parsed().map(({ suppressed }) => suppressed)).toEqual([0, 0, 999]);
  });

  it('logs defects of two places within a second, and repeated ones of one place once', () => {
    const { errorLog, parsed } = logAt('info');
    const defect = () => new IamError('INTERNAL', { cause: new TypeError('one') });
    for (let call = 0; call < 3; call += 1) errorLog.write(defect(), 'request', {});
    errorLog.write(new IamError('INTERNAL', { cause: new TypeError('other') }), 'request', {});
    expect(parsed().map(({ reason }) => reason)).toEqual(['one', 'other']);
  });

  it('logs a refusal only at debug level', () => {
    for (const [level, count] of [
      ['info', 0],
      ['debug', 1],
    ] as const) {
      const { errorLog, parsed } = logAt(level);
      errorLog.write(new IamError('API_KEY_MISSING'), 'request-1', {});
      expect(parsed()).toHaveLength(count);
    }
  });
});

describe('callerFields', () => {
  it('returns the ids of the caller as ECS fields', () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect(callerFields({ 'x-opaque-id': 'node-1', traceparent })).toEqual({
      'labels.opaque_id': 'node-1',
      'trace.id': '0af7651916cd43dd8448eb211c80319c',
    });
  });

  it('omits a value that is not an id, because it may be a credential in the wrong header', () => {
    const credential = authorizationOf(newCredential()).slice('ApiKey '.length);
    for (const text of ['', 'a b', 'x\n{"forged":1}', credential, `ApiKey ${credential}`, 'x'.repeat(65)]) {
      expect(callerFields({ 'x-opaque-id': text, traceparent: text })).toEqual({});
    }
  });
});
