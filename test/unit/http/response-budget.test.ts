import { expect, it } from 'vitest';
import { FREE_RESPONSE_BYTES, type LongBody, ResponseBudget } from '../../../src/http/response-budget.ts';

const LONG = 'x'.repeat(FREE_RESPONSE_BYTES + 1);

it('counts long bodies until their release, and refuses what does not fit with a 503', () => {
  const budget = new ResponseBudget(2 * LONG.length);
  const first = budget.admit(LONG) as LongBody;
  budget.admit(LONG);
  expect(budget.fits(LONG.length)).toBe(false);
  expect(() => budget.admit(LONG)).toThrow(expect.objectContaining({ reason: 'RESPONSE_BUDGET' }));
  first.release();
  first.release();
  budget.admit(LONG);
  expect(() => budget.reserve(LONG.length)).toThrow(expect.objectContaining({ retryAfterSeconds: 1 }));
});

it('never refuses a short body', () => {
  const budget = new ResponseBudget(LONG.length);
  budget.admit(LONG);
  const short = LONG.slice(0, FREE_RESPONSE_BYTES);
  expect(budget.fits(short.length)).toBe(true);
  expect(budget.admit(short)).toBe(short);
});
