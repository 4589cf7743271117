import { expect, it } from 'vitest';
import { ESCAPE_PASSWORD, PORT_RANGE, urlProblem } from '../../../src/lib/url-problem.ts';

it.each([
  'postgres://u:pa/ss@h/iam',
  'postgres://u:12/ss@h/iam',
  'postgres://u:12?ss@h/iam',
  'postgres://u:12#ss@h/iam',
  'redis://:12/ss@h:6379',
  'https://u:12/ss@h',
  'postgres://u:p@a%40b/iam',
  'postgres:///iam?host=ss%40h',
])('says how to escape the password of %s', (url) => {
  expect(urlProblem(url)).toBe(ESCAPE_PASSWORD);
});

it.each([
  'postgres://u:p@h:99999/iam',
  'postgres://u:p@h:65536/iam',
  'postgres://h:0/iam',
  'redis://h:0',
  'postgres://h/iam?port=99999',
  'postgres://h/iam?port=x',
])('refuses the port of %s', (url) => {
  expect(urlProblem(url)).toBe(PORT_RANGE);
});

it.each([
  'postgres://u:p%40ss@h:5432/iam?sslmode=require',
  'postgres://u:p@ss@h/iam',
  'postgres://u:p%2Fss@h:65535/iam',
  'postgres:///iam?host=/var/run/postgresql&port=1',
  'redis://:p@[::1]:6379/0',
  'https://h:1',
  'host=h port=5432',
])('finds nothing wrong with %s', (url) => {
  expect(urlProblem(url)).toBeUndefined();
});
