import { describe, expect, it } from 'vitest';
import { namesOf, patternProblem } from '../../../../src/roles/patterns/name-pattern.ts';
import { Terms } from '../../../../src/roles/patterns/term.ts';

const LIMIT = 300_000;

/** Whether the pattern matches the name: the derivative by all characters contains the empty text. */
function matches(pattern: string, name: string): boolean {
  const terms = new Terms(LIMIT);
  let term = namesOf(terms, pattern);
  for (const char of name) term = terms.derive(term, char.codePointAt(0) ?? 0);
  return term.nullable;
}

describe('a pattern', () => {
  it.each<[pattern: string, matched: string[], others: string[]]>([
    ['logs', ['logs'], ['log', 'logs-a', 'LOGS', '']],
    ['logs-*', ['logs-', 'logs-a'], ['logs', 'a-logs-']],
    ['a?c', ['abc', 'a🔑c'], ['ac', 'abbc']],
    ['a\\*', ['a*'], ['ab', 'a\\*']],
    ['a\\', ['a\\'], ['a']],
    ['/ab/', ['ab'], ['/ab/', 'a']],
    ['//', [''], ['a']],
    ['/a|bc/', ['a', 'bc'], ['abc', 'ac']],
    ['/(a|b)c/', ['ac', 'bc'], ['a', 'c']],
    ['/ab?/', ['a', 'ab'], ['abb']],
    ['/ab*/', ['a', 'abbb'], ['b']],
    ['/ab+/', ['ab', 'abb'], ['a']],
    ['/a{2}/', ['aa'], ['a', 'aaa']],
    ['/a{2,}/', ['aa', 'aaaa'], ['a']],
    ['/a{0,2}/', ['', 'a', 'aa'], ['aaa']],
    ['/[a-c]/', ['a', 'c'], ['d', 'ab']],
    ['/[^a-c]/', ['d', '-'], ['a', '']],
    ['/[]]/', [']'], ['[']],
    ['/[\\]a]/', [']', 'a'], ['\\']],
    ['/[\\d_]+/', ['1_2'], ['a']],
    ['/\\w\\s\\D/', ['a b'], ['a 1']],
    ['/ads/', ['ads'], ['1s', 'a ']],
    ['/[xw]/', ['x', 'w'], ['a']],
    ['/\\./', ['.'], ['a']],
    ['/./', ['a', '.', '🔑'], ['', 'ab']],
    ['/a@/', ['a', 'abc'], ['b']],
    ['/a#|b/', ['b'], ['a', 'a#']],
    ['/"a.*"/', ['a.*'], ['abc']],
    ['/a()b/', ['ab'], ['a()b']],
    ['/.*a.*&.*b.*/', ['ab', 'bxa'], ['a', 'b']],
    ['/~(ab)/', ['', 'a', 'abc'], ['ab']],
    ['/x~a/', ['x', 'xb', 'xaa'], ['xa']],
    ['/<1-31>/', ['1', '31', '07', '007'], ['0', '32', '']],
    ['/<01-31>/', ['01', '31'], ['1', '00', '001']],
    ['/<9-100>/', ['9', '10', '99', '100', '099'], ['8', '101']],
    ['/*a{/', [], []],
  ])('%s matches the names of Lucene, and no others', (pattern, matched, others) => {
    if (matched.length + others.length > 0) expect(patternProblem(new Terms(LIMIT), pattern)).toBeUndefined();
    expect(matched.filter((name) => !matches(pattern, name))).toEqual([]);
    expect(others.filter((name) => matches(pattern, name))).toEqual([]);
  });
});

it.each([
  ['/', /"\/" is missing/],
  ['/a', /"\/" is missing/],
  ['/(a/', /"\)" is missing/],
  ['/a)/', /closes nothing/],
  ['/[a/', /"\]" is missing/],
  ['/[]/', /"\]" is missing/],
  ['/[b-a]/', /wrong order/],
  ['/a{/', /needs a number/],
  ['/a{2/', /"\}" is missing/],
  ['/a{2,1}/', /wrong order/],
  ['/a|/', /ends too early/],
  ['/a\\/', /ends too early/],
  ['/"a/', /"\\"" is missing/],
  ['/<1-/', /">" is missing/],
  ['/<name>/', /needs two numbers/],
  ['/a{1000}{1000}/', /too complex/],
  ['/(a{90000})b/', /too complex/],
  ['/(a?){30000}/', /too complex/],
  ['/(){99999999999999999999,}/', /too complex/],
  ['/(){1000000000}/', /too complex/],
  ['/@{0,1000000000}/', /too complex/],
  ['/@{1000000000,}/', /too complex/],
])('refuses %s and says why', (pattern, reason) => {
  expect(patternProblem(new Terms(LIMIT), pattern)).toMatch(reason);
});

it('needs no work for a pattern that is no regular expression', () => {
  const terms = new Terms(10);
  expect(patternProblem(terms, `logs-*-${'n'.repeat(100)}`)).toBeUndefined();
  expect(patternProblem(terms, `/${'n'.repeat(100)}/`)).toMatch(/too complex/);
});

it('refuses no pattern because of a fault of this program', () => {
  const failure = new RangeError('a fault');
  const faulty = {
    get empty() {
      throw failure;
    },
  } as unknown as Terms;
  expect(() => patternProblem(faulty, '//')).toThrow(failure);
});
