/**
 * Elasticsearch takes a pattern that starts with a slash for a regular expression, and fails on each request of the
 * role when no slash ends it.
 */
export function isClosedPattern(pattern: string): boolean {
  return !pattern.startsWith('/') || (pattern.length > 1 && pattern.endsWith('/'));
}

/** Comparisons left. One budget serves a whole descriptor, since the cost grows with the product of two lists. */
export interface Budget {
  steps: number;
}

/**
 * Whether each name that `pattern` matches is matched by a single one of `wider`, where `*` is any text and `?` one
 * character. Regular expressions and escapes are not understood: they are inside `*` and inside themselves, else
 * the answer is no. Also no when the budget is used up.
 */
export function isInsideOne(pattern: string, wider: ReadonlySet<string>, budget: Budget): boolean {
  if (wider.has('*') || wider.has(pattern)) return true;
  if (isOpaque(pattern)) return false;
  for (const candidate of wider) {
    if (!isOpaque(candidate) && isInside(pattern, candidate, budget)) return true;
  }
  return false;
}

function isOpaque(pattern: string): boolean {
  return pattern.startsWith('/') || pattern.includes('\\');
}

/**
 * The usual greedy wildcard match of `pattern` as a text, with one difference: a `*` in the text stands for any number
 * of any characters, so that only a `*` takes it.
 */
function isInside(pattern: string, wider: string, budget: Budget): boolean {
  let at = 0;
  let inWider = 0;
  let star = -1;
  let resumeAt = 0;
  while (at < pattern.length) {
    budget.steps -= 1;
    if (budget.steps < 0) return false;
    const letter = pattern[at];
    const expected = wider[inWider];
    if (expected === '*') {
      star = inWider++;
      resumeAt = at;
    } else if (letter !== '*' && (letter === expected || expected === '?')) {
      at += 1;
      inWider += 1;
    } else if (star >= 0) {
      inWider = star + 1;
      at = ++resumeAt;
    } else {
      return false;
    }
  }
  while (wider[inWider] === '*') inWider += 1;
  return inWider === wider.length;
}
