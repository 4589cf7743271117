import { hash } from 'node:crypto';
import { expect, it } from 'vitest';
import { callDigest } from '../../../src/regional/authentication-call.ts';

const call = {
  authorization: 'ApiKey a',
  client: { secret: 's' as string | undefined, certificate: true },
  network: '192.0.2.1',
  rawQuery: 'q=1',
  body: 'b' as string | undefined,
};

// Pods of different versions share responses in Redis by this digest.
it.each([
  [call, 'certificate\n=s\nApiKey a\nq=1\nb'],
  [{ ...call, client: { secret: 's', certificate: false } }, '\n=s\nApiKey a\nq=1\nb'],
  [{ ...call, client: { secret: '', certificate: true } }, 'certificate\n=\nApiKey a\nq=1\nb'],
  [{ ...call, client: { secret: undefined, certificate: true } }, 'certificate\n\nApiKey a\nq=1\nb'],
  [{ ...call, authorization: undefined, body: undefined }, 'certificate\n=s\n\nq=1\n'],
])('the digest of %o covers all that decides the response', (one, text) => {
  expect(callDigest(one)).toBe(hash('sha256', text, 'binary'));
});
