import { beforeEach, describe, expect, it } from 'vitest';
import {
  FREE_RESPONSE_BYTES,
  type LongBody,
  RESPONSE_READ_MS,
  ResponseBudget,
} from '../../../src/http/response-budget.ts';

const LONG = 'x'.repeat(FREE_RESPONSE_BYTES + 1);

let nowMs: number;
let refused: number;
beforeEach(() => {
  nowMs = 0;
  refused = 0;
});

/** A budget for this number of long bodies. */
const budgetFor = (bodies: number) =>
  new ResponseBudget({
    maxBytes: bodies * LONG.length,
    now: () => nowMs,
    onRefused: () => {
      refused += 1;
    },
  });

it('counts long bodies until their release, and refuses what does not fit with a 503', () => {
  const budget = budgetFor(2);
  const first = budget.admit(LONG, 'a') as LongBody;
  budget.admit(LONG, 'a');
  expect(budget.bytes).toBe(2 * LONG.length);
  expect(budget.fits(LONG.length, 'a')).toBe(false);
  expect(refused).toBe(0);
  expect(() => budget.admit(LONG, 'a')).toThrow(expect.objectContaining({ reason: 'RESPONSE_BUDGET' }));
  expect(refused).toBe(1);
  first.release();
  first.release();
  budget.admit(LONG, 'a');
  expect(() => budget.reserve(LONG.length, 'a')).toThrow(expect.objectContaining({ retryAfterSeconds: 1 }));
});

it('never refuses a short body', () => {
  const budget = budgetFor(1);
  budget.admit(LONG, 'a');
  const short = LONG.slice(0, FREE_RESPONSE_BYTES);
  expect(budget.fits(short.length, 'a')).toBe(true);
  expect(budget.admit(short, 'a')).toBe(short);
  expect(budget.bytes).toBe(LONG.length);
});

describe('one organization', () => {
  const fill = (budget: ResponseBudget, organization: string) => {
    const bodies: LongBody[] = [];
    while (budget.fits(LONG.length, organization)) bodies.push(budget.admit(LONG, organization) as LongBody);
    return bodies;
  };

  it('can use the whole budget while no other asks', () => {
    expect(fill(budgetFor(4), 'a')).toHaveLength(4);
  });

  it('uses at most what it leaves free while others ask, also if they were refused', () => {
    const budget = budgetFor(4);
    const [first, second, third] = fill(budget, 'a');
    expect(budget.fits(LONG.length, 'b')).toBe(false);
    first?.release();
    // The free space is for others.
    expect(budget.fits(LONG.length, 'a')).toBe(false);
    second?.release();
    expect(fill(budget, 'b')).toHaveLength(1);
    third?.release();
    expect(fill(budget, 'a')).toHaveLength(0);
    expect(fill(budget, 'c')).toHaveLength(1);
  });

  it('leaves something to the next, however many others use what they can', () => {
    const budget = budgetFor(16);
    for (const organization of ['a', 'b', 'c', 'd', 'e']) budget.fits(LONG.length, organization);
    const used = ['a', 'b', 'c', 'd'].map((organization) => fill(budget, organization).length);
    expect(used).toEqual([8, 4, 2, 1]);
  });

  it('can use the whole budget again once the others have not asked for a while', () => {
    const budget = budgetFor(4);
    budget.fits(LONG.length, 'b');
    nowMs = RESPONSE_READ_MS - 1;
    expect(fill(budget, 'a')).toHaveLength(2);
    nowMs = RESPONSE_READ_MS;
    expect(fill(budget, 'a')).toHaveLength(2);
  });

  it('gets a body that is longer than half while the budget is unused', () => {
    const budget = budgetFor(1);
    budget.fits(LONG.length, 'b');
    budget.admit(LONG, 'a');
    expect(budget.bytes).toBe(LONG.length);
  });
});
