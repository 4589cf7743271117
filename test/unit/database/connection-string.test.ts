import { describe, expect, it } from 'vitest';
import {
  asUrls,
  forNode,
  hasPassword,
  subscriptionConnection,
  withDeadPeerDetection,
} from '../../../src/database/connection-string.ts';

const hosts = (text: string) => asUrls(text)?.map((url) => `${url.searchParams.get('host')}:${url.port}`);

describe('asUrls', () => {
  it.each([
    ['postgres://u:p%40@h:1/iam?sslmode=require', 'u', 'p%40', '/iam', 'require'],
    ["host=h dbname=iam user=u password='it\\'s @'", 'u', "it's%20%40", '/iam', 'prefer'],
    ['user=u  dbname = iam', 'u', '', '/iam', 'prefer'],
    ['postgres://u:a:b+c@h/iam', 'u', 'a%3Ab%2Bc', '/iam', 'prefer'],
  ])('understands %s', (text, user, password, path, sslmode) => {
    const [url] = asUrls(text) ?? [];
    expect([url?.username, url?.password, url?.pathname]).toEqual([user, password, path]);
    expect(url?.searchParams.get('sslmode')).toBe(sslmode);
  });

  it.each([
    ['host=a,b dbname=x', ['a:', 'b:']],
    ['host=a,b port=1,2 dbname=x', ['a:1', 'b:2']],
    ['host=a,b hostaddr=127.0.0.1,127.0.0.2 port=1', ['127.0.0.1:1', '127.0.0.2:1']],
    ['postgres://u:p@a:1,b/x', ['a:1', 'b:']],
    ['postgres:///x?host=a,b&port=1,2', ['a:1', 'b:2']],
    ['postgres://[::1]:1,a:2/x', ['::1:1', 'a:2']],
    ['postgres:///x', ['localhost:']],
  ])('has one URL per host of %s', (text, expected) => {
    expect(hosts(text)).toEqual(expected);
  });

  it.each(["host='x", 'service=iam', 'host=h passfile=/x', 'nonsense', 'postgres://u:%zz@h/x'])(
    'leaves %s to libpq',
    (text) => {
      expect(asUrls(text)).toBeUndefined();
    },
  );
});

describe('sslrootcert=system', () => {
  it.each([
    'postgres://u@h/iam?sslrootcert=system',
    'host=h user=u sslrootcert=system',
    'host=h sslrootcert=system sslmode=require',
  ])('names no file for node-postgres, and verifies the server fully: %s', (text) => {
    const [url] = asUrls(text) ?? [];
    expect(url?.searchParams.get('sslmode')).toBe('verify-full');
    expect(url?.searchParams.has('sslrootcert')).toBe(false);
  });

  it('keeps the rest of a URL', () => {
    const url = 'postgres://u:p%40@h:1/iam?sslrootcert=system&application_name=a%20b';
    expect(forNode(url)).toBe('postgres://u:p%40@h:1/iam?application_name=a+b&sslmode=verify-full');
  });

  it.each([
    'postgres://u@h/iam?sslrootcert=/etc/ca.pem',
    'postgres://u@h/iam?sslrootcert=systems',
    '/tmp iam',
  ])('leaves %s as it is', (url) => {
    expect(forNode(url)).toBe(url);
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
      expect(detecting).toContain('tcp_user_timeout=7000');
      const [url] = asUrls(detecting) ?? [];
      expect(url?.searchParams.get('keepalives_idle')).toBe('4');
      expect(withDeadPeerDetection(detecting)).toBe(detecting);
    },
  );

  it('keeps parameters that the operator chose', () => {
    expect(withDeadPeerDetection('host=h keepalives_idle=30')).not.toContain('keepalives_idle=4');
  });
});

describe('the connection string of a subscription', () => {
  it.each(['host=a,b user=u', 'postgres://u@a,b:2/iam', 'postgres://u@a,b/iam?sslmode=require'])(
    'leads to the host that accepts writes: %s',
    (text) => {
      const [url] = asUrls(subscriptionConnection(text)) ?? [];
      expect(url?.searchParams.get('target_session_attrs')).toBe('read-write');
    },
  );

  it('keeps the choice of the operator, and a single host as it is', () => {
    const chosen = subscriptionConnection('host=a,b target_session_attrs=primary');
    expect(chosen).toContain('target_session_attrs=primary');
    expect(chosen).not.toContain('read-write');
    expect(subscriptionConnection('host=a user=u')).not.toContain('target_session_attrs');
  });
});
