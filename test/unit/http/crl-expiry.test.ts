import { expect, it } from 'vitest';
import { crlExpiryMs } from '../../../src/http/crl-expiry.ts';

/** DER with a length of at most 127 bytes. */
const der = (tag: number, ...content: Buffer[]) =>
  Buffer.concat([Buffer.from([tag, Buffer.concat(content).length]), ...content]);
const time = (text: string) => der(0x17, Buffer.from(text));
const list = (...fields: Buffer[]) => der(0x30, der(0x30, ...fields));
const pem = (bytes: Buffer) =>
  `-----BEGIN X509 CRL-----\n${bytes.toString('base64')}\n-----END X509 CRL-----\n`;

const version = der(0x02, Buffer.from([1]));
const names = [der(0x30), der(0x30)];
const full = list(version, ...names, time('260101000000Z'), time('260102030405Z'));

it('reads the earliest time of several lists, also of one without version', () => {
  const later = list(...names, time('260101000000Z'), time('491231235959Z'));
  expect(crlExpiryMs(Buffer.from(pem(later)))).toBe(Date.UTC(2049, 11, 31, 23, 59, 59));
  expect(crlExpiryMs(Buffer.from(pem(later) + pem(full)))).toBe(Date.UTC(2026, 0, 2, 3, 4, 5));
});

it('knows no time of a list that never expires, or of another text', () => {
  for (const text of ['', 'no list', pem(list(version, ...names, time('260101000000Z')))])
    expect(crlExpiryMs(Buffer.from(text)), text).toBeUndefined();
});

it('throws at no damage of a list', () => {
  for (let length = 0; length < full.length; length += 1)
    expect(crlExpiryMs(Buffer.from(pem(full.subarray(0, length))))).toBeUndefined();
  for (let at = 0; at < full.length; at += 1) {
    const damaged = Buffer.from(full);
    damaged[at] = 0xff;
    expect(crlExpiryMs(Buffer.from(pem(damaged)))).toSatisfy((ms) => ms === undefined || Number.isFinite(ms));
  }
});
