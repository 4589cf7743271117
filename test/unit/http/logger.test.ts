import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hashSecret } from '../../../src/credential/hash.ts';
import { createLogger, redact } from '../../../src/http/logger.ts';
import { findForbidden } from '../../support/forbidden-output.ts';
import { authorizationOf, newCredential, TEST_HASH_PARAMETERS } from '../../support/keys.ts';

const credential = newCredential();
const authorization = authorizationOf(credential);
const encoded = authorization.slice('ApiKey '.length);
const hash = await hashSecret(credential.secret, TEST_HASH_PARAMETERS);

const samples: [string, string, string][] = [
  ['a credential', encoded, '[credential]'],
  ['a production credential', encoded.replace('essu_dev', 'essu'), '[credential]'],
  ['a credential with a custom prefix', encoded.replace('essu_dev', 'acme_eu_1'), '[credential]'],
  ['a truncated credential', encoded.slice(0, 90), '[credential]'],
  ['a double-encoded credential', Buffer.from(encoded).toString('base64'), '[credential]'],
  ['an Authorization value', authorization, 'ApiKey [credential]'],
  ['a bearer token', 'Bearer eyJhbGciOi.eyJzdWIi.c2ln', 'Bearer [credential]'],
  ['a bare secret', credential.secret, '[secret]'],
  ['a hash', hash, '[hash]'],
  ['a database URL', 'postgres://iam:hunter2@db/iam', 'postgres://iam:[password]@db/iam'],
  ['a Redis URL without a user', 'redis://:hunter2@cache:6379', 'redis://:[password]@cache:6379'],
];

describe('redact', () => {
  it.each(samples)('removes %s', (_name, text, instead) => {
    expect(redact(text)).toBe(instead);
    expect(redact(`{"message":"x ${text} y"}`)).toBe(`{"message":"x ${instead} y"}`);
    expect(redact(JSON.stringify({ error: { message: `bad (${text})` } }))).toContain(instead);
  });

  it.each(samples)('removes %s, which the output guard of the tests would find', (_name, text, instead) => {
    expect(findForbidden(`x ${text} y`)).not.toEqual([]);
    expect(findForbidden(`x ${instead} y`)).toEqual([]);
  });

  it('removes every secret in a line', () => {
    const line = redact(`${encoded} ${hash} ${encoded}`);
    expect(line).toBe('[credential] [hash] [credential]');
  });

  it('takes linear time, so that a line of 1 MB chosen by an attacker does not block the process', () => {
    for (const unit of ['a', 'a_', 'A', 'x:', 'ApiKey ']) {
      const begun = performance.now();
      redact(unit.repeat(1_000_000 / unit.length));
      expect(performance.now() - begun).toBeLessThan(1_000);
    }
  });

  it('keeps everything else in a line', () => {
    const line =
      '{"error":{"message":"connect ECONNREFUSED 127.0.0.1:5432","stack_trace":"at /srv/iam/node_modules/pg-pool/index.js:45:11"},"error.code":"0x1A0503","resource":"0b6Q5cQ3QRCz7afNV5UsIA"}';
    expect(redact(line)).toBe(line);
  });
});

describe('createLogger', () => {
  it.each(samples)('never writes %s, in any argument of the call', (_name, text) => {
    const raw: string[] = [];
    const listen = (event: unknown) => void raw.push((event as { result: string }).result);
    subscribe('tracing:pino_asJson:end', listen);
    onTestFinished(() => void unsubscribe('tracing:pino_asJson:end', listen));

    const written: string[] = [];
    const logger = createLogger(
      { level: 'trace', serviceName: 'test' },
      { write: (line) => void written.push(line) },
    );
    logger.info(`message ${text}`);
    logger.warn({ detail: { deep: [text] } }, 'object');
    logger.error({ err: new Error(`outer ${text}`, { cause: new Error(text) }) }, 'error');
    logger.child({ bound: text }).debug('bindings');

    expect(written).toHaveLength(4);
    for (const line of written) expect(line).not.toContain(text);
    expect(written.flatMap(findForbidden)).toEqual([]);
    // Without redaction, each of these lines contains the text.
    for (const line of raw) expect(line).toContain(text);
  });

  it('writes one JSON line with ECS fields per call', () => {
    const written: string[] = [];
    const logger = createLogger(
      { level: 'info', serviceName: 'iam-test' },
      { write: (line) => void written.push(line) },
    );
    logger.error({ err: new TypeError('broken') }, 'it happened');
    logger.debug('below the level');
    expect(written).toHaveLength(1);
    expect(JSON.parse(written[0] ?? '')).toMatchObject({
      '@timestamp': expect.any(String),
      'log.level': 'error',
      'service.name': 'iam-test',
      message: 'it happened',
      error: { type: 'TypeError', message: 'broken', stack_trace: expect.any(String) },
    });
  });

  it('writes the causes of an error, which its own message often lacks', () => {
    const lines: string[] = [];
    const logger = createLogger(
      { level: 'info', serviceName: 'x' },
      { write: (line) => void lines.push(line) },
    );
    const refused = new AggregateError([
      new Error('connect ECONNREFUSED ::1:1'),
      new Error('connect ECONNREFUSED 127.0.0.1:1'),
    ]);
    logger.warn({ err: new TypeError('fetch failed', { cause: refused }) }, 'delivery failed');
    logger.warn({ err: refused }, 'delivery failed');
    logger.warn({ err: new Error('plain') }, 'delivery failed');
    expect(lines.map((line) => JSON.parse(line).error.message)).toEqual([
      'fetch failed: connect ECONNREFUSED ::1:1, connect ECONNREFUSED 127.0.0.1:1',
      'connect ECONNREFUSED ::1:1, connect ECONNREFUSED 127.0.0.1:1',
      'plain',
    ]);
    expect(JSON.parse(lines[0] ?? '').error.type).toBe('TypeError');
  });
});
