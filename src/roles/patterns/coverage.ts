import { Inclusion } from './inclusion.ts';
import { namesOf } from './name-pattern.ts';
import { type Terms, TooComplexError } from './term.ts';

/**
 * Finds the patterns that match a name which no pattern of `wider` matches.
 * @param patterns valid patterns, see `patternProblem`
 * @returns `'too_complex'` if the comparison exceeds the limit of `terms`
 */
export function uncoveredBy(
  terms: Terms,
  patterns: readonly string[],
  wider: readonly string[],
): readonly string[] | 'too_complex' {
  const equal = new Set(wider);
  if (equal.has('*')) return [];
  const rest = [...new Set(patterns)].filter((pattern) => !equal.has(pattern));
  if (rest.length === 0) return [];
  try {
    const inclusion = new Inclusion(terms, terms.or(wider.map((pattern) => namesOf(terms, pattern))));
    return rest.filter((pattern) => !inclusion.contains(namesOf(terms, pattern)));
  } catch (error) {
    if (error instanceof TooComplexError) return 'too_complex';
    throw error;
  }
}
