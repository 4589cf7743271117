import { describe, expect, it } from 'vitest';
import { asUrl, hasPassword, withDeadPeerDetection } from '../../../src/database/connection-string.ts';

describe('asUrl', () => {
  it.each([
    ['postgres://u:p%40@h:1/iam?sslmode=require', 'u', 'p%40', '/iam', 'require'],
    ["host=h dbname=iam user=u password='it\\'s @'", 'u', "it's%20%40", '/iam', 'prefer'],
    ['user=u  dbname = iam', 'u', '', '/iam', 'prefer'],
  ])('understands %s', (text, user, password, path, sslmode) => {
    const url = asUrl(text);
    expect([url?.username, url?.password, url?.pathname]).toEqual([user, password, path]);
    expect(url?.searchParams.get('sslmode')).toBe(sslmode);
  });

  it.each([
    'host=a,b dbname=x',
    'postgres://a:1,b:2/x',
    "host='x",
    'service=iam',
    'host=h passfile=/x',
    'nonsense',
  ])('leaves %s to libpq', (text) => {
    expect(asUrl(text)).toBeUndefined();
  });
});

it.each([
  ['postgres://u:p@h/iam', true],
  ['postgres://u@h/iam', false],
  ['host=h password=p', true],
  ['host=h user=u', false],
])('hasPassword(%s) is %s', (text, expected) => {
  expect(hasPassword(text)).toBe(expected);
});

describe('withDeadPeerDetection', () => {
  it.each(['postgres://u@h/iam', 'postgres://u@h/iam?sslmode=require', 'host=h user=u'])(
    'adds parameters to %s',
    (text) => {
      const detecting = withDeadPeerDetection(text);
      expect(detecting.startsWith(text)).toBe(true);
      expect(detecting).toContain('tcp_user_timeout=8000');
      const url = asUrl(detecting);
      expect(url?.searchParams.get('keepalives_idle')).toBe('4');
      expect(withDeadPeerDetection(detecting)).toBe(detecting);
    },
  );

  it('keeps parameters that the operator chose', () => {
    expect(withDeadPeerDetection('host=h keepalives_idle=30')).not.toContain('keepalives_idle=4');
  });
});
