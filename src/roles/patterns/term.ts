/** Sorted, disjoint ranges of code points, both ends included: from, to, from, to … */
export type Ranges = readonly number[];

type Shape =
  | { kind: 'none' }
  | { kind: 'empty' }
  | { kind: 'chars'; ranges: Ranges }
  | { kind: 'concat'; first: Term; rest: Term }
  | { kind: 'or' | 'and'; terms: readonly Term[] }
  | { kind: 'not' | 'star'; term: Term };

/** A regular language. Equal shapes from one `Terms` are one object. `nullable`: the language contains the empty text. */
export type Term = Shape & { readonly id: number; readonly nullable: boolean; readonly depth: number };

/** Bounds the recursion of the methods. Names have at most 1,024 characters, each of which is one level. */
const MAX_DEPTH = 1_500;

/** The expression or the comparison needs more terms or steps than its limit. */
export class TooComplexError extends Error {
  override name = 'TooComplexError';
}

export const MAX_CODE_POINT = 0x10_ff_ff;

/**
 * Builds regular expressions with intersection and complement, and their derivatives (J. A. Brzozowski, "Derivatives of
 * Regular Expressions", 1964). The derivative of a language by a character contains the rests of its texts that start
 * with this character. The simplifications below make the number of different derivatives finite.
 */
export class Terms {
  readonly #terms = new Map<string, Term>();
  readonly #derivatives = new Map<Term, Map<number, Term>>();
  #remaining: number;

  /** The language without any text. */
  readonly none: Term;
  /** The language of the empty text. */
  readonly empty: Term;
  /** The language of all texts. */
  readonly any: Term;
  readonly anyChar: Term;

  /** @param limit steps of work; beyond it, every method throws `TooComplexError` */
  constructor(limit: number) {
    this.#remaining = limit;
    this.none = this.#intern('none', { kind: 'none' }, false);
    this.empty = this.#intern('empty', { kind: 'empty' }, true);
    this.any = this.#intern('any', { kind: 'not', term: this.none }, true);
    this.anyChar = this.chars([0, MAX_CODE_POINT]);
  }

  chars(ranges: Ranges): Term {
    return ranges.length === 0 ? this.none : this.#intern(`[${ranges}`, { kind: 'chars', ranges }, false);
  }

  concat(first: Term, rest: Term): Term {
    if (first === this.none || rest === this.none) return this.none;
    if (first === this.empty) return rest;
    if (rest === this.empty || (first === this.any && rest === this.any)) return first;
    if (first.kind === 'concat') return this.concat(first.first, this.concat(first.rest, rest));
    const nullable = first.nullable && rest.nullable;
    return this.#intern(`.${first.id},${rest.id}`, { kind: 'concat', first, rest }, nullable);
  }

  or(terms: readonly Term[]): Term {
    return this.#combine('or', terms, this.none, this.any);
  }

  and(terms: readonly Term[]): Term {
    return this.#combine('and', terms, this.any, this.none);
  }

  not(term: Term): Term {
    if (term.kind === 'not') return term.term;
    return term === this.none ? this.any : this.#intern(`!${term.id}`, { kind: 'not', term }, !term.nullable);
  }

  star(term: Term): Term {
    if (term === this.none || term === this.empty) return this.empty;
    if (term === this.anyChar) return this.any;
    if (term.kind === 'star' || term === this.any) return term;
    return this.#intern(`*${term.id}`, { kind: 'star', term }, true);
  }

  /** @param max `undefined` for no maximum */
  repeat(term: Term, min: number, max: number | undefined): Term {
    // Each repetition of a term is a level, and the loops below must end for any number.
    if (Math.max(min, max ?? 0) > MAX_DEPTH) throw new TooComplexError('The pattern repeats too much');
    let repeated = this.empty;
    if (max === undefined) repeated = this.star(term);
    else for (let at = min; at < max; at += 1) repeated = this.or([this.empty, this.concat(term, repeated)]);
    for (let at = 0; at < min; at += 1) repeated = this.concat(term, repeated);
    return repeated;
  }

  /** The rests of the texts that start with this code point. */
  derive(term: Term, char: number): Term {
    this.spend();
    const known = this.#derivatives.get(term);
    const found = known?.get(char);
    if (found !== undefined) return found;
    const derivative = this.#derive(term, char);
    if (known === undefined) this.#derivatives.set(term, new Map([[char, derivative]]));
    else known.set(char, derivative);
    return derivative;
  }

  #derive(term: Term, char: number): Term {
    switch (term.kind) {
      case 'none':
      case 'empty':
        return this.none;
      case 'chars':
        return contains(term.ranges, char) ? this.empty : this.none;
      case 'concat': {
        const first = this.concat(this.derive(term.first, char), term.rest);
        return term.first.nullable ? this.or([first, this.derive(term.rest, char)]) : first;
      }
      case 'or':
        return this.or(term.terms.map((one) => this.derive(one, char)));
      case 'and':
        return this.and(term.terms.map((one) => this.derive(one, char)));
      case 'not':
        return this.not(this.derive(term.term, char));
      case 'star':
        return this.concat(this.derive(term.term, char), term);
    }
  }

  /** @param neutral has no effect @param absorbing is the result if any term is it */
  #combine(kind: 'or' | 'and', terms: readonly Term[], neutral: Term, absorbing: Term): Term {
    const parts = new Set<Term>();
    for (const term of terms) {
      const combined = term.kind === kind ? term.terms : [term];
      this.spend(combined.length);
      for (const part of combined) {
        if (part === absorbing || parts.has(this.not(part))) return absorbing;
        if (part !== neutral) parts.add(part);
      }
    }
    this.spend(parts.size);
    const sorted = [...parts].sort((one, two) => one.id - two.id);
    const [first] = sorted;
    if (first === undefined) return neutral;
    if (sorted.length === 1) return first;
    const nullable = kind === 'or' ? sorted.some(isNullable) : sorted.every(isNullable);
    return this.#intern(`${kind}${sorted.map(({ id }) => id)}`, { kind, terms: sorted }, nullable);
  }

  #intern(text: string, shape: Shape, nullable: boolean): Term {
    // Known terms count too: a short pattern can build a long one again and again.
    this.spend();
    const known = this.#terms.get(text);
    if (known !== undefined) return known;
    const depth = 1 + partsOf(shape).reduce((deepest, part) => Math.max(deepest, part.depth), 0);
    if (depth > MAX_DEPTH) throw new TooComplexError('The pattern is nested too deeply or repeats too much');
    const term: Term = { ...shape, id: this.#terms.size, nullable, depth };
    this.#terms.set(text, term);
    return term;
  }

  /** Counts steps of work against the limit. @throws {TooComplexError} beyond it */
  spend(steps = 1): void {
    this.#remaining -= steps;
    if (this.#remaining < 0) throw new TooComplexError('The patterns are too complex to compare');
  }
}

/** The terms that a term consists of. */
export function partsOf(shape: Shape): readonly Term[] {
  if (shape.kind === 'concat') return [shape.first, shape.rest];
  if (shape.kind === 'or' || shape.kind === 'and') return shape.terms;
  return shape.kind === 'not' || shape.kind === 'star' ? [shape.term] : [];
}

function isNullable({ nullable }: Term): boolean {
  return nullable;
}

function contains(ranges: Ranges, char: number): boolean {
  for (let at = 0; at < ranges.length; at += 2) {
    if (char < (ranges[at] ?? 0)) return false;
    if (char <= (ranges[at + 1] ?? 0)) return true;
  }
  return false;
}
