import { isObject, normaliseRoleDescriptor, sizeProblem } from './role-descriptor-input.ts';
import { exceptionsOutsideGrant, reservedMetadata, unknownPrivileges } from './role-descriptor-rules.ts';
import { type RoleDescriptor, roleDescriptorSchema } from './role-descriptor-schema.ts';
import { limited, parseOrViolations, type Violation } from './violation.ts';

export { type RoleDescriptor, roleDescriptorSchema } from './role-descriptor-schema.ts';

export type CheckedRoleDescriptor =
  | { ok: true; descriptor: RoleDescriptor; warnings: string[] }
  | { ok: false; violations: Violation[] };

/**
 * Checks what a caller wrote as a role, or what a row holds, by the rules that Elasticsearch has for native roles, and
 * answers it in its stored form. Every violation of the shape is reported at once; privilege names that are not known
 * are warnings.
 *
 * @param input a JSON value of any shape and size
 */
export function checkRoleDescriptor(input: unknown): CheckedRoleDescriptor {
  if (!isObject(input)) return refused([{ path: '', message: 'must be an object' }]);
  const problem = sizeProblem(input);
  if (problem !== undefined) return refused([{ path: '', message: problem }]);

  const normal = normaliseRoleDescriptor(input);
  // Read from the input: zod leaves a "__proto__" key out of a record, and nothing may vanish silently.
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
