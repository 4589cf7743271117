import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isClosedPattern, isInsideOne } from '../../../src/roles/pattern.ts';

const inside = (pattern: string, ...wider: string[]) =>
  isInsideOne(pattern, new Set(wider), { steps: 100_000 });

describe('isInsideOne', () => {
  it.each([
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
  ])('covers %s by %s', (pattern, wider) => {
    expect(inside(pattern, ...wider)).toBe(true);
  });

  it.each([
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
  ])('does not cover %s by %s', (pattern, wider) => {
    expect(inside(pattern, ...wider)).toBe(false);
  });
});

it('accepts a pattern only if the other one matches every text that it matches', () => {
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

it('stops and returns false when the budget is used up', () => {
  const budget = { steps: 10 };
  expect(isInsideOne(`${'a'.repeat(50)}b`, new Set(['*aaaa*aaab']), budget)).toBe(false);
  expect(budget.steps).toBeLessThan(0);
});

it.each(['*', 'logs-*', '/logs-.*/', '//', 'a/b', 'a/'])('treats %s as closed', (pattern) => {
  expect(isClosedPattern(pattern)).toBe(true);
});

it.each(['/', '/logs-.*', '/logs/x'])('treats %s as open', (pattern) => {
  expect(isClosedPattern(pattern)).toBe(false);
});
