import { jsonPath, type Violation } from '../roles/violation.ts';

const MAX_DEPTH = 32;

/**
 * Texts that JSON can carry and Postgres cannot store (NUL, half of a surrogate pair), and nesting deeper than any
 * real input: named here, so that they are a refusal of the input and not a failed statement.
 */
export function unstorable(input: unknown, path: readonly PropertyKey[] = []): Violation[] {
  if (typeof input === 'string') return storableText(input) ? [] : [bad(path)];
  if (typeof input !== 'object' || input === null) return [];
  if (path.length >= MAX_DEPTH) return [{ path: jsonPath(path), message: 'is nested too deeply' }];
  const entries: [PropertyKey, unknown][] = Array.isArray(input)
    ? [...input.entries()]
    : Object.entries(input);
  for (const [name, value] of entries) {
    if (typeof name === 'string' && !storableText(name)) return [bad(path)];
    const found = unstorable(value, [...path, name]);
    if (found.length > 0) return found;
  }
  return [];
}

function storableText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

function bad(path: readonly PropertyKey[]): Violation {
  return { path: jsonPath(path), message: 'holds a character that cannot be stored' };
}
