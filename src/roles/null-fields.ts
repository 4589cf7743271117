import type { z } from 'zod';
import { limited, type Parsed, parseOrViolations, unknownFields } from './violation.ts';

const MAX_DEPTH = 32;

/**
 * Validates an input in which a known field may be null instead of absent: generated clients, such as Elastic's Go SDK, write
 * every unset field as null. An unknown field is refused also with null, because it may be meant to restrict something.
 */
export function parseIgnoringNulls<T extends z.ZodType>(schema: T, input: unknown): Parsed<z.output<T>> {
  const parsed = parseOrViolations(schema, withoutNulls(input, MAX_DEPTH));
  const unknown = unknownFields(schema, input);
  if (unknown.length === 0) return parsed;
  if (parsed.ok) return { ok: false, violations: unknown };
  const others = parsed.violations.filter(
    ({ path }) => !unknown.some((violation) => violation.path === path),
  );
  return { ok: false, violations: limited([...others, ...unknown]) };
}

/** @param depth of nesting below which the input stays unchanged; no schema accepts deeper input */
function withoutNulls(input: unknown, depth: number): unknown {
  if (typeof input !== 'object' || input === null || depth === 0) return input;
  if (Array.isArray(input)) return input.map((entry) => withoutNulls(entry, depth - 1));
  const entries = Object.entries(input).filter(([, value]) => value !== null);
  return Object.fromEntries(entries.map(([name, value]) => [name, withoutNulls(value, depth - 1)]));
}
