import { z } from 'zod';
import { PROJECT_TYPES, type ProjectType } from './project-type.ts';
import { checkRoleDescriptor, type RoleDescriptor } from './role-descriptor.ts';
import { parseOrViolations, type Violation } from './violation.ts';

/** A role that every project of a type has. */
export interface PredefinedRole {
  projectType: ProjectType;
  name: string;
  descriptor: RoleDescriptor;
}

/** A versioned set of predefined roles. Versions are dates, so a later set has a greater version. */
export interface PredefinedSet {
  version: string;
  /** Where the definitions come from. */
  source: string;
  roles: readonly PredefinedRole[];
  /** Privileges that no documentation names. */
  warnings: readonly string[];
}

const setSchema = z.strictObject({
  version: z.iso.date(),
  source: z.string().min(1),
  roles: z.partialRecord(
    z.enum(PROJECT_TYPES),
    z.record(z.string().min(1), z.record(z.string(), z.unknown())),
  ),
});

/** Checks a set by the rules for custom roles, except those for names. @param input unvalidated JSON */
export function parsePredefinedSet(
  input: unknown,
): { ok: true; set: PredefinedSet } | { ok: false; violations: Violation[] } {
  const parsed = parseOrViolations(setSchema, input);
  if (!parsed.ok) return parsed;
  const { version, source, roles: byType } = parsed.value;
  const roles: PredefinedRole[] = [];
  const warnings: string[] = [];
  const violations: Violation[] = [];
  for (const projectType of PROJECT_TYPES) {
    for (const [name, { metadata: _reserved, ...descriptor }] of Object.entries(byType[projectType] ?? {})) {
      const checked = checkRoleDescriptor(descriptor);
      const prefix = `roles.${projectType}.${name}`;
      if (checked.ok) {
        roles.push({ projectType, name, descriptor: checked.descriptor });
        warnings.push(...checked.warnings.map((warning) => `${prefix}.${warning}`));
      } else {
        violations.push(
          ...checked.violations.map(({ path, message }) => ({ path: `${prefix}.${path}`, message })),
        );
      }
    }
  }
  if (roles.length + violations.length === 0)
    violations.push({ path: 'roles', message: 'must contain at least one role' });
  return violations.length > 0
    ? { ok: false, violations }
    : { ok: true, set: { version, source, roles, warnings } };
}
