import { decimalInterval } from './decimal-interval.ts';
import { complementOf, pairsOf, type Range, unionOf } from './ranges.ts';
import type { Ranges, Term, Terms } from './term.ts';

/** The expression does not follow the grammar; the message says why. */
export class RegexSyntaxError extends Error {
  override name = 'RegexSyntaxError';
}

const code = (char: string) => char.codePointAt(0) ?? 0;
const DIGITS = unionOf([[code('0'), code('9')]]);
const SPACES = unionOf([' ', '\t', '\n', '\r'].map((char) => [code(char), code(char)]));
const WORD = unionOf([
  [code('a'), code('z')],
  [code('A'), code('Z')],
  [code('0'), code('9')],
  [code('_'), code('_')],
]);
const CLASSES: Readonly<Record<string, Ranges>> = {
  d: DIGITS,
  D: complementOf(DIGITS),
  s: SPACES,
  S: complementOf(SPACES),
  w: WORD,
  W: complementOf(WORD),
};

/**
 * Parses a regular expression of Lucene with all of its operators, which are those that Elasticsearch enables for roles.
 * Source: class `org.apache.lucene.util.automaton.RegExp`. In addition to common expressions, `&` is intersection, `~`
 * complement of the next element, `@` any text, `#` no text, `"…"` a literal and `<n-m>` a decimal number.
 *
 * @throws {RegexSyntaxError}
 * @throws {TooComplexError} beyond the limit of `terms`
 */
export function parseLuceneRegex(terms: Terms, expression: string): Term {
  return new Parser(terms, [...expression]).parse();
}

class Parser {
  readonly #terms: Terms;
  readonly #chars: readonly string[];
  #at = 0;

  constructor(terms: Terms, chars: readonly string[]) {
    this.#terms = terms;
    this.#chars = chars;
  }

  parse(): Term {
    if (this.#chars.length === 0) return this.#terms.empty;
    const term = this.#union();
    if (this.#more()) throw this.#error(`${JSON.stringify(this.#chars[this.#at])} closes nothing`);
    return term;
  }

  #union(): Term {
    const terms = [this.#intersection()];
    while (this.#takes('|')) terms.push(this.#intersection());
    return this.#terms.or(terms);
  }

  #intersection(): Term {
    const terms = [this.#concatenation()];
    while (this.#takes('&')) terms.push(this.#concatenation());
    return this.#terms.and(terms);
  }

  #concatenation(): Term {
    const terms = [this.#repetition()];
    while (this.#more() && !this.#peeks(')|&')) terms.push(this.#repetition());
    return terms.reduceRight((rest, first) => this.#terms.concat(first, rest));
  }

  #repetition(): Term {
    let term = this.#complement();
    while (this.#peeks('?*+{')) {
      if (this.#takes('?')) term = this.#terms.repeat(term, 0, 1);
      else if (this.#takes('*')) term = this.#terms.star(term);
      else if (this.#takes('+')) term = this.#terms.repeat(term, 1, undefined);
      else term = this.#counted(term);
    }
    return term;
  }

  #counted(term: Term): Term {
    this.#takes('{');
    const min = this.#integer();
    let max: number | undefined = min;
    if (this.#takes(',')) max = this.#peeks('0123456789') ? this.#integer() : undefined;
    this.#expect('}');
    if (max !== undefined && max < min)
      throw this.#error('the bounds of a repetition are in the wrong order');
    return this.#terms.repeat(term, min, max);
  }

  #integer(): number {
    const start = this.#at;
    while (this.#peeks('0123456789')) this.#at += 1;
    if (this.#at === start) throw this.#error('a repetition needs a number');
    return Number(this.#chars.slice(start, this.#at).join(''));
  }

  #complement(): Term {
    return this.#takes('~') ? this.#terms.not(this.#complement()) : this.#charClass();
  }

  #charClass(): Term {
    if (!this.#takes('[')) return this.#simple();
    const negated = this.#takes('^');
    const pairs: Range[] = [];
    do pairs.push(...this.#classElement());
    while (this.#more() && !this.#peeks(']'));
    this.#expect(']');
    const ranges = unionOf(pairs);
    return this.#terms.chars(negated ? complementOf(ranges) : ranges);
  }

  #classElement(): readonly Range[] {
    const predefined = this.#predefinedClass();
    if (predefined !== undefined) return pairsOf(predefined);
    const from = this.#char();
    const to = this.#takes('-') ? this.#char() : from;
    if (to < from) throw this.#error('the bounds of a character range are in the wrong order');
    return [[from, to]];
  }

  #simple(): Term {
    const terms = this.#terms;
    if (this.#takes('.')) return terms.anyChar;
    if (this.#takes('#')) return terms.none;
    if (this.#takes('@')) return terms.any;
    if (this.#takes('"')) return this.#literal(this.#until('"'));
    if (this.#takes('<')) return this.#interval(this.#until('>'));
    if (this.#takes('(')) {
      if (this.#takes(')')) return terms.empty;
      const term = this.#union();
      this.#expect(')');
      return term;
    }
    const predefined = this.#predefinedClass();
    if (predefined !== undefined) return terms.chars(predefined);
    return this.#single(this.#char());
  }

  #interval(text: string): Term {
    const [, low, high] = /^(\d{1,9})-(\d{1,9})$/.exec(text) ?? [];
    if (low === undefined || high === undefined) throw this.#error('"<" needs two numbers, as in "<1-31>"');
    return decimalInterval(this.#terms, low, high);
  }

  #literal(text: string): Term {
    return [...text].reduceRight(
      (rest, char) => this.#terms.concat(this.#single(code(char)), rest),
      this.#terms.empty,
    );
  }

  #single(char: number): Term {
    return this.#terms.chars([char, char]);
  }

  #predefinedClass(): Ranges | undefined {
    if (!this.#peeks('\\')) return undefined;
    const name = this.#chars[this.#at + 1] ?? '';
    const ranges = Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined;
    if (ranges !== undefined) this.#at += 2;
    return ranges;
  }

  /** One character, escaped or not. */
  #char(): number {
    this.#takes('\\');
    const char = this.#chars[this.#at];
    if (char === undefined) throw this.#error('the expression ends too early');
    this.#at += 1;
    return code(char);
  }

  #until(end: string): string {
    const from = this.#at;
    const to = this.#chars.indexOf(end, from);
    if (to < 0) throw this.#error(`${JSON.stringify(end)} is missing`);
    this.#at = to + 1;
    return this.#chars.slice(from, to).join('');
  }

  #more(): boolean {
    return this.#at < this.#chars.length;
  }

  #peeks(chars: string): boolean {
    const next = this.#chars[this.#at];
    return next !== undefined && chars.includes(next);
  }

  #takes(char: string): boolean {
    if (this.#chars[this.#at] !== char) return false;
    this.#at += 1;
    return true;
  }

  #expect(char: string): void {
    if (!this.#takes(char)) throw this.#error(`${JSON.stringify(char)} is missing`);
  }

  #error(reason: string): RegexSyntaxError {
    return new RegexSyntaxError(reason);
  }
}
