import { isObject, normaliseRoleDescriptor, repeatedAliases, sizeProblem } from './role-descriptor-input.ts';
import { brokenRules, PatternBudget, reservedMetadata } from './role-descriptor-rules.ts';
import { type RoleDescriptor, roleDescriptorSchema } from './role-descriptor-schema.ts';
import { unknownPrivileges } from './unknown-privileges.ts';
import { limited, parseOrViolations, type Violation } from './violation.ts';

export { type RoleDescriptor, roleDescriptorSchema } from './role-descriptor-schema.ts';

export type CheckedRoleDescriptor =
  | { ok: true; descriptor: RoleDescriptor; warnings: string[] }
  | { ok: false; violations: Violation[] };

/**
 * Checks a role descriptor by the rules of Elasticsearch for native roles and returns its stored form. All violations of
 * the schema are reported together, and otherwise all violations of the rules. An unknown privilege name causes a warning
 * only.
 *
 * @param input an unchecked JSON value of any size, from a client
 * @param strict whether a warning is a violation
 */
export function checkRoleDescriptor(
  input: unknown,
  { strict = false, budget = new PatternBudget() } = {},
): CheckedRoleDescriptor {
  if (!isObject(input)) return refused([{ path: '', message: 'must be an object' }]);
  const problem = sizeProblem(input);
  if (problem !== undefined) return refused([{ path: '', message: problem }]);

  const normal = normaliseRoleDescriptor(input);
  // Checked before zod parses: zod drops a "__proto__" key of a record, and no input may disappear silently.
  const reserved = isObject(normal.metadata) ? reservedMetadata(normal.metadata) : [];
  const repeated = repeatedAliases(input);
  const parsed = parseOrViolations(roleDescriptorSchema, normal);
  if (!parsed.ok) return refused([...repeated, ...parsed.violations, ...reserved]);

  const unknown = unknownPrivileges(parsed.value);
  const violations = [
    ...repeated,
    ...reserved,
    ...brokenRules(parsed.value, budget),
    ...(strict ? unknown : []),
  ];
  if (violations.length > 0) return refused(violations);
  const warnings = limited(unknown).map(({ path, message }) => `${path}: ${message}; it is stored unchanged`);
  return { ok: true, descriptor: parsed.value, warnings };
}

/**
 * Reads a stored role descriptor, which may be older than the rules for new ones. `undefined` if it has another shape than
 * a descriptor.
 */
export function readRoleDescriptor(stored: unknown): RoleDescriptor | undefined {
  const parsed = roleDescriptorSchema.safeParse(stored);
  return parsed.success ? parsed.data : undefined;
}

function refused(violations: Violation[]): CheckedRoleDescriptor {
  return { ok: false, violations: limited(violations) };
}
