import { expect, it } from 'vitest';
import {
  connectionProblem,
  databaseUrlProblem,
  isUnverified,
} from '../../../src/database/connection-problem.ts';

const PASSWORD_PARTS = /s3cr3t|w0rd|1234|zz/;

it.each([
  ['@', 'postgres://u:s3cr3t@w0rd@h/iam', '%40'],
  ['@ of several hosts', 'postgres://u:s3cr3t@w0rd@a:1,b:2/iam', '%40'],
  ['/', 'postgres://u:s3cr3t/w0rd@h/iam', '%2F'],
  ['/ after digits', 'postgres://u:1234/w0rd@h/iam', '%2F'],
  ['?', 'postgres://u:1234?w0rd@h/iam', '%3F'],
  [': in the host', 'postgres://u@s3cr3t:w0rd@h:1:2/iam', '%3A'],
  ['%', 'postgres://u:s3cr3t%zz@h/iam', '%25'],
  ['a space in pairs', 'host=h password=s3cr3t w0rd user=u', 'quote'],
  ['a quote in pairs', "host=h password=s3cr3t'w0rd user=u", 'quote'],
  ['@ of a URL in pairs', 'host=s3cr3t@w0rd', 'quote'],
  ['a port out of range', 'postgres://u:s3cr3t@h:99999/iam', '1 to 65535'],
  ['the port 0', 'postgres://u:s3cr3t@a:1,b:0/iam', '1 to 65535'],
  ['a port that is no number', 'host=h port=1234x password=s3cr3t', '1 to 65535'],
])('%s: says what to do, and nothing of the connection string', (_, text, advice) => {
  const problem = connectionProblem(text);
  expect(problem).toContain(advice);
  expect(problem).not.toMatch(PASSWORD_PARTS);
});

it.each([
  'postgres://u:p%40%2F%3A%3F%23%25@h:5432/iam?sslmode=require',
  'postgres://u:a:b#c@h/iam',
  'postgres://u@[::1]:1,a:2/iam',
  'postgres:///iam?host=a,b&port=1,2',
  "host=a,b port=1, user=u password='se cret\\'@ w0rd'",
  'host=h password=p@ss',
  'service=iam',
])('finds nothing wrong with %s', (text) => {
  expect(connectionProblem(text)).toBeUndefined();
});

it.each([
  ['host=h password=s3cr3t', 'must start with postgres://'],
  ['postgres://u:s3cr3t/w0rd@h/iam', '%2F'],
  ['postgres://u:s3cr3t?w0rd/iam', '%3F'],
  ['postgres://u:s3cr3t@h:70000/iam', '1 to 65535'],
])('of a database URL, %s: says what to do', (text, advice) => {
  expect(databaseUrlProblem(text)).toContain(advice);
  expect(databaseUrlProblem(text)).not.toMatch(PASSWORD_PARTS);
});

it.each(['postgres://u:p%40@h:1/iam', 'postgresql:///iam?host=/tmp', '/tmp iam'])(
  'finds nothing wrong with the database URL %s',
  (text) => {
    expect(databaseUrlProblem(text)).toBeUndefined();
  },
);

it.each([
  'postgres://u@db.example/iam',
  'postgres://u@db.example/iam?sslmode=require',
  'postgres://u@db.example/iam?sslmode=verify-ca',
  'postgres://u@localhost,db.example/iam',
  'postgres://u@127.0.0.1/iam?host=db.example',
  'postgres://u@db.example/iam?hostaddr=127.0.0.1',
  'postgres://u@127.example/iam',
  'postgres://u@10.0.0.1/iam',
  'host=localhost hostaddr=10.0.0.1 user=u',
  'host=db.example sslrootcert=system sslmode=require',
  'host=db.example sslrootcert=/etc/ca.pem',
  "host='db.example' sslmode=prefer",
])('a connection to another host without a check of its certificate is unverified: %s', (text) => {
  expect(isUnverified(text)).toBe(true);
});

it.each([
  'postgres://u@db.example/iam?sslmode=verify-full',
  'host=a,b sslmode=verify-full',
  'host=db.example sslrootcert=system',
  'postgres://u@localhost:1/iam',
  'postgres://u@127.0.0.1/iam',
  'postgres://u@[::1]:1/iam',
  'postgres:///iam?host=/var/run/postgresql',
  'dbname=iam',
  '/var/run/postgresql iam',
])('a connection within the machine, or with a check of the certificate, is not: %s', (text) => {
  expect(isUnverified(text)).toBe(false);
});
