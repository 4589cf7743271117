import type { z } from 'zod';
import { violationsError } from '../errors.ts';
import { parseIgnoringNulls } from '../roles/null-fields.ts';
import { jsonPath, type Violation } from '../roles/violation.ts';

const MAX_DEPTH = 32;

/** Validates an input. A known property that is null counts as absent. @throws {IamError} that names every invalid field */
export function parseInput<T extends z.ZodType>(
  schema: T,
  input: unknown,
  reason: 'INVALID_INPUT' | 'AUDIT_INVALID' = 'INVALID_INPUT',
): z.output<T> {
  const parsed = parseIgnoringNulls(schema, input);
  if (!parsed.ok) throw violationsError(reason, parsed.violations);
  const violations = unstorable(input);
  if (violations.length > 0) throw violationsError(reason, violations);
  return parsed.value;
}

/**
 * Finds text that JSON can carry but Postgres cannot store (NUL, half a surrogate pair), and nesting deeper than any valid input.
 * Without this check such an input would be a failed statement instead of a refusal.
 */
export function unstorable(input: unknown, path: readonly PropertyKey[] = []): Violation[] {
  if (typeof input === 'string') return isStorable(input) ? [] : [unstorableText(path)];
  if (typeof input !== 'object' || input === null) return [];
  if (path.length >= MAX_DEPTH) return [{ path: jsonPath(path), message: 'is nested too deeply' }];
  const entries: [PropertyKey, unknown][] = Array.isArray(input)
    ? [...input.entries()]
    : Object.entries(input);
  for (const [name, value] of entries) {
    if (typeof name === 'string' && !isStorable(name)) return [unstorableText(path)];
    const violations = unstorable(value, [...path, name]);
    if (violations.length > 0) return violations;
  }
  return [];
}

function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

function unstorableText(path: readonly PropertyKey[]): Violation {
  return { path: jsonPath(path), message: 'contains a character that cannot be stored' };
}
