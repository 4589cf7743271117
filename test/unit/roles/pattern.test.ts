import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isClosedPattern, isInsideOne } from '../../../src/roles/pattern.ts';

const inside = (pattern: string, ...wider: string[]) =>
  isInsideOne(pattern, new Set(wider), { steps: 100_000 });

describe('inside', () => {
  test.each([
    ['secret', ['*']],
    ['*', ['*']],
    ['/any.*/', ['*']],
    ['secret', ['public', 'secret']],
    ['customer.name', ['customer.*']],
    ['customer.*', ['customer.*']],
    ['customer.*.id', ['customer.*']],
    ['a*b', ['a*']],
    ['a*b', ['*b']],
    ['a*b*c', ['a*c']],
    ['ab', ['a?']],
    ['a?', ['a*']],
    ['a?', ['a?']],
    ['aXbXb', ['a*b']],
    ['/a.*/', ['/a.*/']],
    ['a*', ['a**']],
  ])('%s is inside %s', (pattern, wider) => {
    expect(inside(pattern, ...wider)).toBe(true);
  });

  test.each([
    ['secret', []],
    ['secret', ['public']],
    ['*', ['a*']],
    ['customer*', ['customer.*']],
    ['a*', ['a?']],
    ['a*', ['a']],
    ['a?', ['ab']],
    ['*b', ['a*b']],
    ['a*b', ['a*b*c']],
    ['abc', ['ab']],
    ['abc', ['/a.*/']],
    ['/ab/', ['a*', '/ab*/']],
    ['a\\*', ['a?']],
    ['ab', ['a\\*']],
  ])('%s is not inside %s', (pattern, wider) => {
    expect(inside(pattern, ...wider)).toBe(false);
  });
});

test('a pattern is inside another only if every text it matches is matched by that one', () => {
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 6 });
  const filling = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 3 });
  const regex = (glob: string) => new RegExp(`^${glob.replaceAll('*', '.*').replaceAll('?', '.')}$`);
  fc.assert(
    fc.property(pattern, pattern, filling, fc.constantFrom('a', 'b', 'c'), (narrow, wide, star, one) => {
      const example = narrow.replaceAll('*', star).replaceAll('?', one);
      if (inside(narrow, wide)) expect(example).toMatch(regex(wide));
    }),
    { numRuns: 2000 },
  );
});

test('work stops when the budget is used up, and the answer is then no', () => {
  const budget = { steps: 10 };
  expect(isInsideOne(`${'a'.repeat(50)}b`, new Set(['*aaaa*aaab']), budget)).toBe(false);
  expect(budget.steps).toBeLessThan(0);
});

test.each(['*', 'logs-*', '/logs-.*/', '//', 'a/b', 'a/'])('%s is closed', (pattern) => {
  expect(isClosedPattern(pattern)).toBe(true);
});

test.each(['/', '/logs-.*', '/logs/x'])('%s is not closed', (pattern) => {
  expect(isClosedPattern(pattern)).toBe(false);
});
