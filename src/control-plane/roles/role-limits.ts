import type { Config } from '../../config.ts';
import { IamError } from '../../errors.ts';
import type { RoleDescriptor } from '../../roles/role-descriptor.ts';
import type { Queries } from '../database.ts';

/** Limits of custom roles, which writes check. Roles that exceed a lowered limit stay readable and can be deleted. */
export interface RoleLimits {
  /** Of a descriptor, in bytes of JSON. */
  roleBytes: number;
  rolesPerProject: number;
  /** Of all custom roles of an organization, in bytes of JSON. */
  organizationBytes: number;
}

export function roleLimits(config: Config): RoleLimits {
  return {
    roleBytes: config.MAX_ROLE_BYTES,
    rolesPerProject: config.MAX_ROLES_PER_PROJECT,
    organizationBytes: config.MAX_ROLE_BYTES_PER_ORGANIZATION,
  };
}

/** @throws {IamError} `roles.invalid_input` */
export function assertRoleSize(descriptor: RoleDescriptor, { roleBytes }: RoleLimits): void {
  const bytes = Buffer.byteLength(JSON.stringify(descriptor));
  if (bytes <= roleBytes) return;
  throw new IamError('ROLE_INVALID', {
    message: `The role descriptor has ${bytes} bytes of JSON, and the limit is ${roleBytes}. Divide it into several roles.`,
  });
}

/**
 * Runs a write of a role. The transaction holds the lock of the organization, so the counts cannot change meanwhile.
 * @param isNew whether the write creates a role
 * @throws {IamError} `roles.invalid_input`; the transaction must then be rolled back
 */
export async function writeWithinLimits(
  transaction: Queries,
  limits: RoleLimits,
  project: { organizationId: string; projectType: string; projectId: string },
  isNew: boolean,
  write: () => Promise<unknown>,
): Promise<void> {
  if (isNew) await assertRoleCount(transaction, limits, project);
  const before = await roleBytes(transaction, project.organizationId);
  await write();
  const after = await roleBytes(transaction, project.organizationId);
  // A smaller descriptor is an improvement even if the organization has too many bytes.
  if (after <= limits.organizationBytes || after <= before) return;
  throw new IamError('ROLE_INVALID', {
    message: `The custom roles of the organization would have ${after} bytes, and the limit is ${limits.organizationBytes}. Delete roles that are not needed, or make them smaller.`,
  });
}

async function assertRoleCount(
  transaction: Queries,
  { rolesPerProject }: RoleLimits,
  {
    organizationId,
    projectType,
    projectId,
  }: { organizationId: string; projectType: string; projectId: string },
): Promise<void> {
  const [row] = await transaction.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM roles
     WHERE organization_id = $1 AND project_type = $2 AND project_id = $3 AND deleted_at IS NULL`,
    [organizationId, projectType, projectId],
  );
  const count = row?.count ?? 0;
  if (count < rolesPerProject) return;
  throw new IamError('ROLE_INVALID', {
    message: `The project has ${count} custom roles, and the limit is ${rolesPerProject}. Delete one that is not needed.`,
  });
}

/** The counter, which a trigger maintains. */
async function roleBytes(transaction: Queries, organizationId: string): Promise<number> {
  const [row] = await transaction.query<{ bytes: string }>(
    'SELECT role_bytes::text AS bytes FROM organizations WHERE id = $1',
    [organizationId],
  );
  return Number(row?.bytes ?? 0);
}
