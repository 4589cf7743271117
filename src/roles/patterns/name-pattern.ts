import { parseLuceneRegex, RegexSyntaxError } from './lucene-regex.ts';
import { type Term, type Terms, TooComplexError } from './term.ts';

/**
 * The names that a pattern of a role matches: a Lucene expression between slashes, else text in which `*` stands for
 * any text, `?` for one character, and a backslash makes the next character literal.
 * Source: `org.elasticsearch.xpack.core.security.support.Automatons`.
 *
 * @throws {RegexSyntaxError}
 * @throws {TooComplexError} beyond the limit of `terms`
 */
export function namesOf(terms: Terms, pattern: string): Term {
  if (pattern.startsWith('/')) {
    if (!isClosedPattern(pattern)) throw new RegexSyntaxError('"/" is missing at the end');
    return parseLuceneRegex(terms, pattern.slice(1, -1));
  }
  const parts: Term[] = [];
  let escaped = false;
  for (const char of pattern) {
    if (escaped || (char !== '\\' && char !== '*' && char !== '?')) {
      parts.push(terms.chars([char.codePointAt(0) ?? 0, char.codePointAt(0) ?? 0]));
      escaped = false;
    } else if (char === '\\') escaped = true;
    else parts.push(char === '*' ? terms.any : terms.anyChar);
  }
  if (escaped) parts.push(terms.chars([92, 92]));
  return parts.reduceRight((rest, first) => terms.concat(first, rest), terms.empty);
}

/** Returns why Elasticsearch refuses the pattern; `undefined` if it accepts it. */
export function patternProblem(terms: Terms, pattern: string): string | undefined {
  if (!pattern.startsWith('/')) return undefined;
  try {
    namesOf(terms, pattern);
    return undefined;
  } catch (error) {
    if (error instanceof RegexSyntaxError) return `is not a valid regular expression: ${error.message}`;
    if (error instanceof TooComplexError)
      return 'is too complex, alone or together with the other patterns of the role';
    throw error;
  }
}

/**
 * Elasticsearch treats a pattern that starts with a slash as a regular expression. If no slash ends it, every request
 * that uses the role fails.
 */
function isClosedPattern(pattern: string): boolean {
  return !pattern.startsWith('/') || (pattern.length > 1 && pattern.endsWith('/'));
}
