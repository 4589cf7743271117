import { IamError, violationsError } from '../../errors.ts';
import type { PredefinedRole } from '../../roles/predefined-set.ts';
import { PROJECT_TYPES, type ProjectType } from '../../roles/project-type.ts';
import { checkRoleDescriptor, type RoleDescriptor, readRoleDescriptor } from '../../roles/role-descriptor.ts';
import { checkRoleName } from '../../roles/role-name.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Queries } from '../database.ts';
import { unstorable } from '../input.ts';
import { assertCallerActive, lockOrganization } from '../organizations/organizations.ts';
import type { Principal } from '../principal.ts';
import { listPredefinedRoles } from './predefined-roles.ts';
import { assertRoleSize, type RoleLimits, writeWithinLimits } from './role-limits.ts';

const MAX_PROJECT_ID_CHARS = 256;

/** A project of the principal's organization, unvalidated. */
export interface Project {
  projectType: string;
  projectId: string;
}

export interface CustomRole {
  name: string;
  descriptor: RoleDescriptor;
}

interface CustomRolesDeps {
  database: Database;
  roleLimits: RoleLimits;
  now: () => number;
}

/** Manages the custom roles of projects. Only owners can change them. A change and its audit event are one transaction. */
export class CustomRoles {
  readonly #deps: CustomRolesDeps;

  constructor(deps: CustomRolesDeps) {
    this.#deps = deps;
  }

  /**
   * Creates or replaces a role.
   * @param input body of Elasticsearch's `PUT /_security/role/{name}`, unvalidated
   * @param strict refuses what otherwise causes a warning
   */
  async put(
    principal: Principal,
    project: Project,
    name: string,
    input: unknown,
    { strict = false } = {},
  ): Promise<{ created: boolean; warnings: readonly string[] }> {
    const scope = checkProject(project);
    const refusal = checkRoleName(name, scope.projectType);
    if (refusal !== undefined) throw new IamError('ROLE_INVALID', { message: refusal, fields: ['name'] });
    // Before the work of the check too, which only owners may cause.
    await assertCallerActive(this.#deps.database, principal, { owner: true, nowMs: this.#deps.now() });
    const checked = checkRoleDescriptor(input, { strict });
    if (!checked.ok) throw violationsError('ROLE_INVALID', checked.violations);
    const unstored = unstorable(checked.descriptor);
    if (unstored.length > 0) throw violationsError('ROLE_INVALID', unstored);
    const created = await this.#write(principal, scope, name, checked.descriptor);
    return { created, warnings: checked.warnings };
  }

  /** The predefined roles, of one project type or of all. */
  predefined(type?: ProjectType): Promise<PredefinedRole[]> {
    return listPredefinedRoles(this.#deps.database, type);
  }

  async list(organizationId: string, project: Project): Promise<CustomRole[]> {
    const scope = checkProject(project);
    const rows = await this.#deps.database.of(organizationId).query<{ name: string; descriptor: unknown }>(
      `SELECT name, descriptor FROM roles
       WHERE organization_id = $1 AND project_type = $2 AND project_id = $3 AND deleted_at IS NULL ORDER BY name`,
      [organizationId, scope.projectType, scope.projectId],
    );
    return rows.map(({ name, descriptor }) => ({ name, descriptor: completed(descriptor) }));
  }

  /** @throws {IamError} `roles.role_not_found` */
  async get(organizationId: string, project: Project, name: string): Promise<CustomRole> {
    const role = await selectRole(
      this.#deps.database.of(organizationId),
      organizationId,
      checkProject(project),
      name,
    );
    if (role === undefined) throw new IamError('ROLE_NOT_FOUND');
    return { name, descriptor: role };
  }

  /** Keys with the role lose its permissions. @throws {IamError} `roles.role_not_found` */
  async remove(principal: Principal, project: Project, name: string): Promise<void> {
    const scope = checkProject(project);
    const { organizationId } = principal;
    await this.#deps.database.transactionOf(organizationId, async (transaction) => {
      await this.#assertOwner(transaction, principal);
      const before = await selectRole(transaction, organizationId, scope, name);
      if (before === undefined) throw new IamError('ROLE_NOT_FOUND');
      await transaction.query(
        `UPDATE roles SET deleted_at = $5
         WHERE organization_id = $1 AND project_type = $2 AND project_id = $3 AND name = $4`,
        [organizationId, scope.projectType, scope.projectId, name, new Date(this.#deps.now())],
      );
      await recordEvent(transaction, {
        organizationId,
        actor: principal.actor,
        action: 'role.delete',
        outcome: 'success',
        targetType: 'role',
        targetId: roleId(scope, name),
        before,
      });
    });
  }

  #write(principal: Principal, scope: Scope, name: string, descriptor: RoleDescriptor): Promise<boolean> {
    return this.#deps.database.transactionOf(principal.organizationId, async (transaction) => {
      await this.#assertOwner(transaction, principal);
      await assertNotPredefined(transaction, scope, name);
      return putRole(transaction, this.#deps.roleLimits, principal, scope, { name, descriptor });
    });
  }

  async #assertOwner(transaction: Queries, principal: Principal): Promise<void> {
    await lockOrganization(transaction, principal.organizationId);
    await assertCallerActive(transaction, principal, { owner: true, nowMs: this.#deps.now() });
  }
}

interface Scope {
  projectType: ProjectType;
  projectId: string;
}

/**
 * Writes a role and its audit event. The transaction holds the lock of the organization.
 * @throws {IamError} `roles.invalid_input` beyond a limit
 * @returns whether the role is new
 */
export async function putRole(
  transaction: Queries,
  limits: RoleLimits,
  principal: Principal,
  scope: Scope,
  { name, descriptor }: CustomRole,
): Promise<boolean> {
  const { organizationId } = principal;
  assertRoleSize(descriptor, limits);
  const before = await selectRole(transaction, organizationId, scope, name);
  const project = { ...scope, organizationId };
  await writeWithinLimits(transaction, limits, project, before === undefined, () =>
    transaction.query(
      `INSERT INTO roles (organization_id, project_type, project_id, name, descriptor)
     VALUES ($1, $2, $3, $4, $5::jsonb)
     ON CONFLICT (organization_id, project_type, project_id, name)
     DO UPDATE SET descriptor = EXCLUDED.descriptor, deleted_at = NULL`,
      [organizationId, scope.projectType, scope.projectId, name, JSON.stringify(descriptor)],
    ),
  );
  await recordEvent(transaction, {
    organizationId,
    actor: principal.actor,
    action: 'role.put',
    outcome: 'success',
    targetType: 'role',
    targetId: roleId(scope, name),
    before,
    after: descriptor,
  });
  return before === undefined;
}

function checkProject({ projectType, projectId }: Project): Scope {
  const known = PROJECT_TYPES.find((type) => type === projectType);
  if (known === undefined) {
    throw new IamError('ROLE_INVALID', {
      message: `project_type: must be one of ${PROJECT_TYPES.join(', ')}`,
      fields: ['project_type'],
    });
  }
  if (projectId === '' || projectId.length > MAX_PROJECT_ID_CHARS || unstorable(projectId).length > 0) {
    throw new IamError('ROLE_INVALID', {
      message: `project_id: must have 1 to ${MAX_PROJECT_ID_CHARS} characters`,
      fields: ['project_id'],
    });
  }
  return { projectType: known, projectId };
}

async function selectRole(
  on: Queries,
  organizationId: string,
  scope: Scope,
  name: string,
): Promise<RoleDescriptor | undefined> {
  if (unstorable(name).length > 0) return undefined;
  const [row] = await on.query<{ descriptor: unknown }>(
    `SELECT descriptor FROM roles WHERE organization_id = $1 AND project_type = $2 AND project_id = $3
       AND name = $4 AND deleted_at IS NULL`,
    [organizationId, scope.projectType, scope.projectId, name],
  );
  return row && completed(row.descriptor);
}

/** Adds the lists that older rows omit. An owner sees a row that does not parse as it is stored, to be able to replace it. */
function completed(stored: unknown): RoleDescriptor {
  return readRoleDescriptor(stored) ?? (stored as RoleDescriptor);
}

/** The database may have predefined roles that are newer than this release, see `iam roles load`. */
async function assertNotPredefined(on: Queries, { projectType }: Scope, name: string): Promise<void> {
  const [role] = await on.query<{ name: string }>(
    `SELECT name FROM roles WHERE organization_id = '' AND project_type = $1 AND lower(name) = lower($2) AND deleted_at IS NULL`,
    [projectType, name],
  );
  if (role === undefined) return;
  throw new IamError('ROLE_INVALID', {
    message: `"${role.name}" is a predefined role of ${projectType} projects: choose another name for a custom role.`,
    fields: ['name'],
  });
}

/** The role as the target of an audit event. */
export function roleId({ projectType, projectId }: Project, name: string): string {
  return `${projectType}/${projectId}/${name}`;
}
