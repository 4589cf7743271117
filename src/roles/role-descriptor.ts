import { isObject, normaliseRoleDescriptor, sizeProblem } from './role-descriptor-input.ts';
import { exceptionsOutsideGrant, reservedMetadata, unknownPrivileges } from './role-descriptor-rules.ts';
import { type RoleDescriptor, roleDescriptorSchema } from './role-descriptor-schema.ts';
import { limited, parseOrViolations, type Violation } from './violation.ts';

export { type RoleDescriptor, roleDescriptorSchema } from './role-descriptor-schema.ts';

export type CheckedRoleDescriptor =
  | { ok: true; descriptor: RoleDescriptor; warnings: string[] }
  | { ok: false; violations: Violation[] };

/**
 * Checks a role descriptor by the rules of Elasticsearch for native roles and returns its stored form. All violations of
 * the schema are reported together. An unknown privilege name causes a warning only.
 *
 * @param input an unchecked JSON value of any size, from a client or a stored row
 */
export function checkRoleDescriptor(input: unknown): CheckedRoleDescriptor {
  if (!isObject(input)) return refused([{ path: '', message: 'must be an object' }]);
  const problem = sizeProblem(input);
  if (problem !== undefined) return refused([{ path: '', message: problem }]);

  const normal = normaliseRoleDescriptor(input);
  // Checked before zod parses: zod drops a "__proto__" key of a record, and no input may disappear silently.
  const reserved = isObject(normal.metadata) ? reservedMetadata(normal.metadata) : [];
  const parsed = parseOrViolations(roleDescriptorSchema, normal);
  if (!parsed.ok) return refused([...parsed.violations, ...reserved]);

  const violations = [...reserved, ...exceptionsOutsideGrant(parsed.value)];
  if (violations.length > 0) return refused(violations);
  return { ok: true, descriptor: parsed.value, warnings: limited(unknownPrivileges(parsed.value)) };
}

function refused(violations: Violation[]): CheckedRoleDescriptor {
  return { ok: false, violations: limited(violations) };
}
