import { pairsOf, unionOf } from './ranges.ts';
import { MAX_CODE_POINT, partsOf, type Ranges, type Term, type Terms } from './term.ts';

const ALL_CHARS: Ranges = [0, MAX_CODE_POINT];

/**
 * Compares languages with one wider language. Follows the derivatives of both: a text of the narrower language that the
 * wider one does not contain leads to a pair of which only the first is nullable.
 */
export class Inclusion {
  readonly #terms: Terms;
  readonly #wide: Term;
  readonly #wideBounds: ReadonlySet<number>;
  readonly #starts = new Map<Term, Ranges>();

  constructor(terms: Terms, wide: Term) {
    this.#terms = terms;
    this.#wide = wide;
    this.#wideBounds = boundsOf(wide);
  }

  /** Returns whether the wider language contains every text of `narrow`. @throws {TooComplexError} */
  contains(narrow: Term): boolean {
    const bounds = [...new Set([...this.#wideBounds, ...boundsOf(narrow)])];
    this.#terms.spend(bounds.length);
    const seen = new Set<string>();
    const pending: [Term, Term][] = [[narrow, this.#wide]];
    for (let pair = pending.pop(); pair !== undefined; pair = pending.pop()) {
      this.#terms.spend();
      const [inner, outer] = pair;
      if (outer === this.#terms.any || seen.has(`${inner.id},${outer.id}`)) continue;
      seen.add(`${inner.id},${outer.id}`);
      if (inner.nullable && !outer.nullable) return false;
      for (const char of this.#representatives(this.#firstChars(inner), bounds)) {
        const next = this.#terms.derive(inner, char);
        if (next !== this.#terms.none) pending.push([next, this.#terms.derive(outer, char)]);
      }
    }
    return true;
  }

  /** At least the characters with which a text can start. */
  #firstChars(term: Term): Ranges {
    const known = this.#starts.get(term);
    if (known !== undefined) return known;
    const found = this.#findFirstChars(term);
    this.#starts.set(term, found);
    this.#terms.spend(1 + found.length);
    return found;
  }

  #findFirstChars(term: Term): Ranges {
    switch (term.kind) {
      case 'chars':
        return term.ranges;
      case 'concat':
        return term.first.nullable ? this.#anyOf([term.first, term.rest]) : this.#firstChars(term.first);
      case 'or':
        return this.#anyOf(term.terms);
      case 'star':
        return this.#firstChars(term.term);
      case 'none':
      case 'empty':
        return [];
      case 'and':
      case 'not':
        return ALL_CHARS;
    }
  }

  #anyOf(terms: readonly Term[]): Ranges {
    return unionOf(terms.flatMap((term) => pairsOf(this.#firstChars(term))));
  }

  /** One character of each part of the ranges within which no bound lies. */
  #representatives(ranges: Ranges, bounds: readonly number[]): number[] {
    return pairsOf(ranges).flatMap(([from, to]) => {
      if (from === to) return [from];
      this.#terms.spend(bounds.length);
      return [from, ...bounds.filter((bound) => bound > from && bound <= to)];
    });
  }
}

/** The code points at which a character class of the expression starts, or ends before. */
function boundsOf(start: Term): Set<number> {
  const bounds = new Set<number>();
  const seen = new Set([start]);
  for (const term of seen) {
    if (term.kind === 'chars') {
      for (const [at, end] of term.ranges.entries()) bounds.add(at % 2 === 0 ? end : end + 1);
    }
    for (const part of partsOf(term)) seen.add(part);
  }
  return bounds;
}
