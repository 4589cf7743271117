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
  ['a credential of production', encoded.replace('essu_dev', 'essu'), '[credential]'],
  ['a credential of a prefix of your own', encoded.replace('essu_dev', 'acme_eu_1'), '[credential]'],
  ['a credential that lost its end', encoded.slice(0, 90), '[credential]'],
  ['a credential that was encoded twice', Buffer.from(encoded).toString('base64'), '[credential]'],
  ['an Authorization value', authorization, 'ApiKey [credential]'],
  ['a bearer token', 'Bearer eyJhbGciOi.eyJzdWIi.c2ln', 'Bearer [credential]'],
  ['a bare secret', credential.secret, '[secret]'],
  ['a hash', hash, '[hash]'],
  ['a database URL', 'postgres://iam:hunter2@db/iam', 'postgres://iam:[password]@db/iam'],
  ['a Redis URL without a user', 'redis://:hunter2@cache:6379', 'redis://:[password]@cache:6379'],
];

describe('redaction takes out', () => {
  it.each(samples)('%s', (_name, text, instead) => {
    expect(redact(text)).toBe(instead);
    expect(redact(`{"message":"x ${text} y"}`)).toBe(`{"message":"x ${instead} y"}`);
    expect(redact(JSON.stringify({ error: { message: `bad (${text})` } }))).toContain(instead);
  });

  it.each(samples)('%s, which the check of the whole suite would find', (_name, text, instead) => {
    expect(findForbidden(`x ${text} y`)).not.toEqual([]);
    expect(findForbidden(`x ${instead} y`)).toEqual([]);
  });

  it('every one of several in a line', () => {
    const line = redact(`${encoded} ${hash} ${encoded}`);
    expect(line).toBe('[credential] [hash] [credential]');
  });

  it('in linear time: a line of 1 MB that somebody else chose does not stop the process', () => {
    for (const unit of ['a', 'a_', 'A', 'x:', 'ApiKey ']) {
      const begun = performance.now();
      redact(unit.repeat(1_000_000 / unit.length));
      expect(performance.now() - begun).toBeLessThan(1_000);
    }
  });

  it('nothing that helps to understand a line', () => {
    const line =
      '{"error":{"message":"connect ECONNREFUSED 127.0.0.1:5432","stack_trace":"at /srv/iam/node_modules/pg-pool/index.js:45:11"},"error.code":"0x1A0503","resource":"0b6Q5cQ3QRCz7afNV5UsIA"}';
    expect(redact(line)).toBe(line);
  });
});

describe('a logger', () => {
  it.each(samples)('never writes %s, wherever it stands in the call', (_name, text) => {
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
    // The other side: without the guard each of these lines would have carried it.
    for (const line of raw) expect(line).toContain(text);
  });

  it('writes JSON lines in ECS fields, one a call', () => {
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
});
