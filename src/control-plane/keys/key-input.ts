import { z } from 'zod';
import { violationsError } from '../../errors.ts';
import { checkNewRoleAssignments } from '../../roles/new-role-assignments.ts';
import type { RoleAssignments } from '../../roles/role-assignments.ts';
import { parseOrViolations, type Violation } from '../../roles/violation.ts';
import { unstorable } from '../storable.ts';
import { parseGrace, parseTtl } from './durations.ts';

const MAX_DESCRIPTION_CHARS = 1_024;
const MAX_IDS = 500;

const expiration = z
  .string()
  .describe('How long the key lives: "3h", "30d", "12w" …, at most a year; or "never". Default 90 days.');

/** Body of `POST /users/auth/keys`. */
export const createKeySchema = z.strictObject({
  description: z
    .string()
    .max(MAX_DESCRIPTION_CHARS, `must have at most ${MAX_DESCRIPTION_CHARS} characters`)
    .refine((text) => text.trim() !== '', 'must not be blank')
    .describe('What the key is for.'),
  expiration: expiration.optional(),
  role_assignments: z.unknown().optional().describe("What the key may do. Left out: the creator's own."),
});

/** Body of `POST /users/auth/keys/{id}/_rotate`. */
export const rotateKeySchema = z.strictObject({
  grace_period: z
    .string()
    .optional()
    .describe('How long the old secret goes on: "24h" (the default), "7d" …, or "0" to end it at once.'),
  expiration: expiration.optional().describe('A new life from now on. Left out: the expiration stays.'),
});

/** Body of `DELETE /users/auth/keys`. */
export const revokeKeysSchema = z.strictObject({
  keys: z
    .array(z.string().min(1).max(64))
    .min(1, 'must name at least one key')
    .max(MAX_IDS, `must name at most ${MAX_IDS} keys`)
    .describe('Ids of the keys to revoke.'),
});

/** Reads an input by its schema. @throws {IamError} `api_keys.invalid_input`, naming every field that is wrong */
export function checked<T extends z.ZodType>(schema: T, input: unknown): z.output<T> {
  const parsed = parseOrViolations(schema, input);
  if (!parsed.ok) throw violationsError('INVALID_INPUT', parsed.violations);
  const violations = unstorable(input);
  if (violations.length > 0) throw violationsError('INVALID_INPUT', violations);
  return parsed.value;
}

/** What a new key is to be. `assignments` is absent when the creator's own are meant. */
export interface NewKey {
  description: string;
  ttlMs: number | null;
  assignments?: RoleAssignments;
  warnings: readonly string[];
}

/** Checks the body of a creation. @throws {IamError} with everything that is wrong at once */
export function checkNewKey(input: unknown): NewKey {
  const violations: Violation[] = unstorable(input);
  const parsed = parseOrViolations(createKeySchema, input);
  const body = parsed.ok ? parsed.value : undefined;
  if (!parsed.ok) violations.push(...parsed.violations);

  const life = parseTtl(body?.expiration);
  if ('problem' in life) violations.push({ path: 'expiration', message: life.problem });
  const raw = (input as { role_assignments?: unknown } | null | undefined)?.role_assignments;
  const assignments = raw === undefined ? undefined : checkNewRoleAssignments(raw);
  if (assignments?.ok === false) {
    violations.push(...assignments.violations.map((found) => below('role_assignments', found)));
  }
  if (body === undefined || violations.length > 0 || 'problem' in life) {
    throw violationsError('INVALID_INPUT', violations);
  }
  return {
    description: body.description,
    ttlMs: life.ttlMs,
    ...(assignments?.ok ? { assignments: assignments.assignments } : {}),
    warnings: assignments?.ok ? assignments.warnings.map((text) => `role_assignments.${text}`) : [],
  };
}

/** How a key is to be rotated; `ttlMs` absent: its expiration stays. */
export interface Rotation {
  graceMs: number;
  ttlMs?: number | null;
}

/** Checks the body of a rotation; it may be absent. */
export function checkRotation(input: unknown): Rotation {
  const body = checked(rotateKeySchema, input ?? {});
  const grace = parseGrace(body.grace_period);
  const life = body.expiration === undefined ? undefined : parseTtl(body.expiration);
  const violations: Violation[] = [];
  if ('problem' in grace) violations.push({ path: 'grace_period', message: grace.problem });
  if (life !== undefined && 'problem' in life) violations.push({ path: 'expiration', message: life.problem });
  if ('problem' in grace || (life !== undefined && 'problem' in life)) {
    throw violationsError('INVALID_INPUT', violations);
  }
  return { graceMs: grace.graceMs, ...(life === undefined ? {} : { ttlMs: life.ttlMs }) };
}

function below(prefix: string, { path, message }: Violation): Violation {
  return { path: path.startsWith('[') || path === '' ? `${prefix}${path}` : `${prefix}.${path}`, message };
}
