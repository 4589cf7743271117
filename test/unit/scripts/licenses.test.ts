import { expect, it } from 'vitest';
import { licenseProblems } from '../../../scripts/licenses.ts';

const problemsOf = (license: string | undefined, dev = false) =>
  licenseProblems({
    packages: {
      '': { license: 'UNLICENSED' },
      'node_modules/a/node_modules/b': { version: '1.0.0', dev, ...(license !== undefined && { license }) },
    },
  });

it('refuses a production dependency whose license is missing or not in the list', () => {
  for (const license of [
    'GPL-3.0-only',
    'AGPL-3.0',
    'MIT AND GPL-2.0',
    'SEE LICENSE IN x',
    'UNLICENSED',
    '',
  ]) {
    expect(problemsOf(license)).toEqual([`b@1.0.0: license ${license} is not allowed`]);
  }
  expect(problemsOf(undefined)).toEqual(['b@1.0.0: license unknown is not allowed']);
});

it('accepts listed licenses, one of several alternatives, and any license of a development dependency', () => {
  for (const license of ['MIT', 'Apache-2.0', '(MIT OR CC0-1.0)', 'GPL-3.0-only OR MIT']) {
    expect(problemsOf(license)).toEqual([]);
  }
  expect(problemsOf('GPL-3.0-only', true)).toEqual([]);
});
