import { expect, it } from 'vitest';
import { type Term, Terms, TooComplexError } from '../../../../src/roles/patterns/term.ts';

const LIMIT = 100_000;
const terms = new Terms(LIMIT);
const { none, empty, any, anyChar } = terms;
const char = (code: number) => terms.chars([code, code]);
const [a, b, c] = [char(97), char(98), char(99)];

// Without these, a comparison follows derivatives of one language in ever new shapes.
it.each<[string, Term, Term]>([
  ['no characters', terms.chars([]), none],
  ['∅a', terms.concat(none, a), none],
  ['a∅', terms.concat(a, none), none],
  ['()a', terms.concat(empty, a), a],
  ['a()', terms.concat(a, empty), a],
  ['@@', terms.concat(any, any), any],
  ['(ab)c', terms.concat(terms.concat(a, b), c), terms.concat(a, terms.concat(b, c))],
  ['an empty union', terms.or([]), none],
  ['a|∅', terms.or([a, none]), a],
  ['a|a', terms.or([a, a]), a],
  ['a|@', terms.or([a, any]), any],
  ['a|~a', terms.or([a, terms.not(a)]), any],
  ['b|a', terms.or([b, a]), terms.or([a, b])],
  ['(a|b)|c', terms.or([terms.or([a, b]), c]), terms.or([a, b, c])],
  ['an empty intersection', terms.and([]), any],
  ['a&@', terms.and([a, any]), a],
  ['a&∅', terms.and([a, none]), none],
  ['a&~a', terms.and([a, terms.not(a)]), none],
  ['(a&b)&c', terms.and([terms.and([a, b]), c]), terms.and([c, b, a])],
  ['~~a', terms.not(terms.not(a)), a],
  ['~∅', terms.not(none), any],
  ['~@', terms.not(any), none],
  ['∅*', terms.star(none), empty],
  ['()*', terms.star(empty), empty],
  ['.*', terms.star(anyChar), any],
  ['@*', terms.star(any), any],
  ['(a*)*', terms.star(terms.star(a)), terms.star(a)],
  ['a{0}', terms.repeat(a, 0, 0), empty],
  ['a{2}', terms.repeat(a, 2, 2), terms.concat(a, a)],
  ['a{1,}', terms.repeat(a, 1, undefined), terms.concat(a, terms.star(a))],
])('%s has one shape', (_, built, expected) => {
  expect(built).toBe(expected);
});

it('a language contains the empty text if its parts do', () => {
  const isNullable = (...built: Term[]) => built.map(({ nullable }) => nullable);
  expect(isNullable(none, empty, any, a, terms.star(a), terms.not(a), terms.not(empty))).toEqual([
    false,
    true,
    true,
    false,
    true,
    true,
    false,
  ]);
  const [many, more] = [terms.star(a), terms.star(b)];
  expect(isNullable(terms.concat(many, more), terms.concat(many, b), terms.concat(a, more))).toEqual([
    true,
    false,
    false,
  ]);
  expect(
    isNullable(terms.or([many, b]), terms.or([a, b]), terms.and([many, b]), terms.and([many, more])),
  ).toEqual([true, false, false, true]);
});

it('a class of characters includes both of its ends', () => {
  const ranges = terms.chars([5, 7, 10, 10]);
  const found = [4, 5, 7, 8, 9, 10, 11].filter((code) => terms.derive(ranges, code) === empty);
  expect(found).toEqual([5, 7, 10]);
});

it('a term has at most 1,500 levels', () => {
  const deepest = terms.repeat(a, 1_500, 1_500);
  expect(deepest.depth).toBe(1_500);
  expect(() => terms.concat(b, deepest)).toThrow(TooComplexError);
  expect(terms.repeat(any, 0, 1_500)).toBe(any);
  expect(() => terms.repeat(any, 0, 1_501)).toThrow(TooComplexError);
  expect(() => terms.repeat(any, 1_501, undefined)).toThrow(TooComplexError);
});

it('counts every step against its limit', () => {
  const counted = new Terms(5);
  counted.spend();
  expect(() => counted.spend()).toThrow(TooComplexError);
  expect(() => new Terms(3)).toThrow(TooComplexError);
  const known = new Terms(6);
  const one = known.chars([97, 97]);
  expect(known.chars([97, 97]), 'also for a known term').toBe(one);
  expect(() => known.chars([97, 97])).toThrow(TooComplexError);
});
