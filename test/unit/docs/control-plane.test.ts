import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { EXIT } from '../../../src/cli/exit-codes.ts';
import { API_ERRORS } from '../../../src/control-plane/errors.ts';

const page = await readFile(new URL('../../../docs/control-plane.md', import.meta.url), 'utf8');

it.each(Object.values(API_ERRORS))(
  'the page has the row of $code as it is answered',
  ({ code, status, message }) => {
    expect(page).toContain(`| \`${code}\` | ${status} | ${message} |`);
  },
);

it('the page has no error that is not answered', () => {
  const codes = [...page.matchAll(/^\| `([a-z_]+\.[a-z_]+)` \| \d/gm)].map(([, code]) => code);
  expect(codes.toSorted()).toEqual(
    Object.values(API_ERRORS)
      .map(({ code }) => code)
      .toSorted(),
  );
});

it('every code is unique and every message a sentence', () => {
  const rows = Object.values(API_ERRORS);
  expect(new Set(rows.map(({ code }) => code)).size).toBe(rows.length);
  for (const { message } of rows) expect(message).toMatch(/^[A-Z].*\.$/);
});

it('the page has every exit code', () => {
  for (const code of Object.values(EXIT)) expect(page).toMatch(new RegExp(`^\\| ${code} \\| `, 'm'));
});
