import { describe, expect, it } from 'vitest';
import { CertificateNames, isCertificateName } from '../../../src/lib/certificate-names.ts';

const names = new CertificateNames(['Es.example', 'https://es.example/a', 'spiffe://td/es/*']);

describe('a list of certificate names', () => {
  it.each([
    'DNS:es.example',
    'IP Address:127.0.0.1, DNS:ES.example',
    'URI:https://es.example/a',
    'URI:spiffe://td/es/1, DNS:other',
    'URI:spiffe://td/es/1/a.b',
  ])('has a name of %s', (text) => {
    expect(names.hasAny(text)).toBe(true);
  });

  it.each([
    undefined,
    '',
    'DNS:a.es.example',
    'DNS:es.example.',
    'DNS:*.example',
    'DNS:https://es.example/a',
    'URI:es.example',
    'URI:https://es.example/A',
    'URI:spiffe://td/es',
    'URI:spiffe://td/es/',
    'URI:spiffe://td/es/*',
    'URI:spiffe://td/es/1/',
    'URI:spiffe://td/es/../kibana',
    'URI:spiffe://td/es/.',
    'URI:spiffe://td/es/a%2f..',
    'URI:spiffe://td/esx/1',
    'DNS:"a\\u002c URI:spiffe://td/es/1"',
    'URI:"es.example"',
    'DNS:"es.example"',
    'email:es.example',
    'DirName:CN = es.example',
  ])('has no name of %s', (text) => {
    expect(names.hasAny(text)).toBe(false);
  });

  it('has items that are names, and only SPIFFE ids end with /*', () => {
    for (const name of ['es', 'es.example', 'spiffe://td/es', 'spiffe://td/*', 'https://es.example:9200/a']) {
      expect([name, isCertificateName(name)]).toEqual([name, true]);
    }
    for (const name of ['*', '*.example', 'spiffe://*', 'spiffe://td/*/a', 'https://a/*', 'a b', '"a"', '']) {
      expect([name, isCertificateName(name)]).toEqual([name, false]);
    }
  });
});
