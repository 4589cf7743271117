/**
 * Elasticsearch treats a pattern that starts with a slash as a regular expression. If no slash ends it, every request
 * that uses the role fails.
 */
export function isClosedPattern(pattern: string): boolean {
  return !pattern.startsWith('/') || (pattern.length > 1 && pattern.endsWith('/'));
}

/** Remaining comparisons. A whole descriptor shares one budget, since the cost is the product of two list lengths. */
export interface Budget {
  steps: number;
}

/**
 * Returns whether one pattern of `wider` matches every name that `pattern` matches. `*` stands for any text and `?` for
 * one character. A regular expression or an escape is covered only by `*` and by itself. Returns false when the budget
 * is used up.
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
 * Greedy wildcard match that treats `pattern` as the text. A `*` in the text stands for any characters, so only a `*`
 * of `wider` matches it.
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
