import type { z } from 'zod';

/** A violated rule. `path` is the location in the input, such as `indices[0].names`; it is empty for the input itself. */
export interface Violation {
  path: string;
  message: string;
}

const MAX_REPORTED = 100;
const MAX_NAME_CHARS = 64;
const PLAIN_NAME = /^[A-Za-z_][A-Za-z0-9_-]*$/;

const nouns: Record<string, string> = {
  string: 'a string',
  boolean: 'true or false',
  array: 'an array',
  object: 'an object',
  record: 'an object',
};

export type Parsed<Value> = { ok: true; value: Value } | { ok: false; violations: Violation[] };

/** Parses the input or returns all violations, one per unknown field. Messages never contain values of the input. */
export function parseOrViolations<T extends z.ZodType>(schema: T, input: unknown): Parsed<z.output<T>> {
  const result = schema.safeParse(input, {
    error: (issue) => {
      if (issue.code !== 'invalid_type') return undefined;
      return issue.input === undefined ? 'is required' : `must be ${nouns[issue.expected] ?? issue.expected}`;
    },
  });
  if (result.success) return { ok: true, value: result.data };
  return { ok: false, violations: limited(onePerPath(result.error.issues.flatMap(toViolations))) };
}

/** Returns only the fields that a strict object of the schema does not have, whatever their values are. */
export function unknownFields(schema: z.ZodType, input: unknown): Violation[] {
  const issues = schema.safeParse(input).error?.issues ?? [];
  return limited(issues.filter(({ code }) => code === 'unrecognized_keys').flatMap(toViolations));
}

/** zod also checks the length of a value with the wrong type; only the first violation of a path is helpful. */
function onePerPath(violations: Violation[]): Violation[] {
  const seen = new Set<string>();
  return violations.filter(({ path }) => !seen.has(path) && seen.add(path));
}

/** Bounds the size of a response: a caller does not need more than the first hundred items. */
export function limited<T>(items: T[]): T[] {
  return items.slice(0, MAX_REPORTED);
}

export function jsonPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (PLAIN_NAME.test(String(part))) text += `${text === '' ? '' : '.'}${shortened(String(part))}`;
    else text += `[${quoted(String(part))}]`;
  }
  return text;
}

/** Returns a name from the input in quotation marks, escaped and shortened. */
export function quoted(name: string): string {
  return JSON.stringify(shortened(name));
}

function shortened(name: string): string {
  return name.length <= MAX_NAME_CHARS ? name : `${name.slice(0, MAX_NAME_CHARS)}…`;
}

function toViolations(issue: z.core.$ZodIssue): Violation[] {
  if (issue.code !== 'unrecognized_keys') return [{ path: jsonPath(issue.path), message: issue.message }];
  return issue.keys.map((key) => ({
    path: jsonPath([...issue.path, key]),
    message: `unknown field ${quoted(key)}`,
  }));
}
