import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  type DecodeFailure,
  decodeCredential,
  decodeFailureMessage,
} from '../../../src/credential/format.ts';
import { vectors } from '../../support/vectors.ts';

const PREFIXES = ['essu', 'essu_dev'];
const { text, id, secret } = vectors.v1;
const body = text.slice('essu_dev_'.length);

const base64 = (value: string) => Buffer.from(value).toString('base64');

/** A credential with a correct checksum over any payload. */
function sealed(payload: string, upper = 0): string {
  const bytes = Buffer.from(payload, 'latin1');
  const checksum = Buffer.alloc(8);
  checksum.writeUInt32BE(upper, 0);
  checksum.writeUInt32BE(crc32(bytes), 4);
  return `essu_dev_${Buffer.concat([bytes, checksum]).toString('base64')}`;
}

it('sealed() builds the published vector', () => {
  expect(sealed(`v1:${id}:${secret}`)).toBe(text);
});

const refusals: Record<DecodeFailure, [name: string, text: string][]> = {
  prefix: [
    ['empty text', ''],
    ['a body without prefix', body],
    ['an unknown prefix', `other_${body}`],
    ['a prefix in upper case', `ESSU_DEV_${body}`],
    ['a prefix without its underscore', `essu${body}`],
    ['a longer prefix that is not accepted', `essu_test_${body}`],
    ['a native Elasticsearch API key', base64('VuaCfGcBCdbkQm-e5aOx:ui2lp2axTNmsyakw9tvNnw')],
    ['leading space', ` ${text}`],
  ],
  base64: [
    ['the URL-safe alphabet', text.replace('+', '-').replace('Jj', '_j').replace('dj', 'd-')],
    ['missing padding', vectors.legacy.text.slice(0, -1)],
    ['a line break at the end', `${text}\n`],
    ['set spare bits under the padding', vectors.legacy.text.replace('s=', 't=')],
    ['missing padding, at the maximum length', `essu_dev_${'A'.repeat(503)}`],
    ['non-ASCII characters', `essu_dev_${body.slice(0, -4)}éééé`],
  ],
  checksum: [
    ['nothing after the prefix', 'essu_dev_'],
    ['fewer bytes than a checksum has', 'essu_dev_AAAA'],
    ['a checksum of nothing', sealed('')],
    ['a changed character', text.replace('djE6MGI2', 'djE6MGI3')],
    ['missing base64 groups at the end', text.slice(0, -4)],
    ['a checksum with non-zero upper bits', sealed(`v1:${id}:${secret}`, 1)],
  ],
  shape: [
    ['another version', sealed(`v2:${id}:${secret}`)],
    ['no secret', sealed(`v1:${id}`)],
    ['an id that is too short', sealed(`v1:${id.slice(1)}:${secret}`)],
    ['a separator in the wrong place', sealed(`v1:${id.slice(1)}:${secret}=`)],
    ['an id whose last character has spare bits', sealed(`v1:${id.slice(0, -1)}B:${secret}`)],
    ['an id that is not URL-safe', sealed(`v1:${id.slice(0, -3)}+/A:${secret}`)],
    ['a secret without padding', sealed(`v1:${id}:${secret.slice(0, -1)}A`)],
    ['a secret with spare bits', sealed(`v1:${id}:${secret.slice(0, -2)}J=`)],
    ['a legacy id that is too long', sealed(base64(`${vectors.legacy.id}x:${vectors.legacy.secret}`))],
    [
      'a legacy secret that is too short',
      sealed(base64(`${vectors.legacy.id}:${vectors.legacy.secret.slice(1)}`)),
    ],
    [
      'a legacy id that is not URL-safe',
      sealed(base64(`/${vectors.legacy.id.slice(1)}:${vectors.legacy.secret}`)),
    ],
    ['a legacy payload that is not encoded', sealed(`${vectors.legacy.id}:${vectors.legacy.secret}`)],
    ['binary content', sealed('\u00ff'.repeat(70))],
  ],
  double_encoded: [
    ['base64 of the credential', base64(text)],
    ['base64 of the credential and a line break', base64(`${text}\n`)],
    ['base64 of the credential and a line break, without padding', base64(`${text}\n`).replace(/=+$/, '')],
  ],
  double_encoded_with_id: [
    ['base64 of id and credential', base64(`${id}:${text}`)],
    ['base64 of an empty id and credential', base64(`:${text}`)],
  ],
  too_long: [
    ['more than 512 characters', `essu_dev_${'A'.repeat(504)}`],
    ['megabytes', 'essu_'.repeat(400_000)],
  ],
};

describe.each(Object.entries(refusals))('decodeCredential refuses with reason %s', (reason, cases) => {
  it.each(cases)('%s', (_name, input) => {
    expect(decodeCredential(input, PREFIXES)).toEqual({ ok: false, reason });
  });
});

it('decodeCredential refuses a development credential where only the production prefix is accepted', () => {
  expect(decodeCredential(text, ['essu'])).toEqual({ ok: false, reason: 'prefix' });
  expect(decodeCredential(text, [])).toEqual({ ok: false, reason: 'prefix' });
});

it('every failure has its own public sentence', () => {
  const sentences = Object.values(decodeFailureMessage);
  expect(new Set(sentences).size).toBe(Object.keys(refusals).length);
  for (const sentence of sentences) expect(sentence).toMatch(/^The .*\.$/);
});
