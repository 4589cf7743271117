import type { Term, Terms } from './term.ts';

const ZERO = 48;

/**
 * The decimal numbers from `one` to `two`, as in Lucene's `<n-m>`: with as many digits as both bounds if these are
 * equally long, else with any number of leading zeros.
 */
export function decimalInterval(terms: Terms, one: string, two: string): Term {
  const [low, high] = BigInt(one) <= BigInt(two) ? [one, two] : [two, one];
  if (low.length === high.length) return between(terms, low, high);
  const from = String(BigInt(low));
  const to = String(BigInt(high));
  const lengths = Array.from({ length: to.length - from.length + 1 }, (_, index) => from.length + index);
  const numbers = lengths.map((length) =>
    between(
      terms,
      length === from.length ? from : `1${'0'.repeat(length - 1)}`,
      length === to.length ? to : '9'.repeat(length),
    ),
  );
  return terms.concat(terms.star(digits(terms, 0, 0)), terms.or(numbers));
}

/** Numbers of one length. */
function between(terms: Terms, low: string, high: string): Term {
  if (low === '') return terms.empty;
  const [first, last] = [Number(low[0]), Number(high[0])];
  const [lowRest, highRest] = [low.slice(1), high.slice(1)];
  const nines = '9'.repeat(lowRest.length);
  const zeros = '0'.repeat(lowRest.length);
  const starting = (from: number, to: number, low: string, high: string) =>
    from > to ? terms.none : terms.concat(digits(terms, from, to), between(terms, low, high));
  if (first === last) return starting(first, first, lowRest, highRest);
  return terms.or([
    starting(first, first, lowRest, nines),
    starting(first + 1, last - 1, zeros, nines),
    starting(last, last, zeros, highRest),
  ]);
}

function digits(terms: Terms, from: number, to: number): Term {
  return terms.chars([ZERO + from, ZERO + to]);
}
