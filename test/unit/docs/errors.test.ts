import { expect, it } from 'vitest';
import { errorsPage } from '../../../scripts/docs/errors.ts';
import { ERRORS } from '../../../src/errors.ts';

const { RATE_LIMITED } = ERRORS;

it.each([
  ['another type', { ...RATE_LIMITED, uiam: { ...RATE_LIMITED.uiam, type: 'REQUEST.OTHER' } }],
  ['another status', { ...RATE_LIMITED, uiam: { ...RATE_LIMITED.uiam, status: 400 } }],
  ['another status in the Cloud API', { ...RATE_LIMITED, cloud: { ...RATE_LIMITED.cloud, status: 400 } }],
])('the page of errors refuses a shared code with %s, and names both errors', (_name, row) => {
  expect(() => errorsPage({ ...ERRORS, NEW_ERROR: row })).toThrow(
    /^RATE_LIMITED \(429.*\) and NEW_ERROR \(.*\) share the code (0x1A0429|root\.rate_limited)\./,
  );
});

it('a shared code with another sentence is another row of the page', () => {
  const page = errorsPage({ ...ERRORS, NEW_ERROR: { ...RATE_LIMITED, message: 'A new sentence.' } });
  expect(page.match(/^\| `0x1A0429` .*$/gm)).toHaveLength(2);
});
