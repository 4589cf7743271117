import type { Pool } from 'pg';
import type { ProjectType } from '../roles/project-type.ts';
import { checkRoleDescriptor } from '../roles/role-descriptor.ts';
import { StoreUnavailableError } from './key-store.ts';
import type { RoleScope, RoleSet, RoleStore } from './role-store.ts';

/** Reads role definitions from Postgres. */
export class PostgresRoleStore implements RoleStore {
  readonly #pool: Pool;
  readonly #onBroken: (role: RoleScope & { name: string }) => void;

  /** @param onBroken told of each role that is left out because its stored descriptor does not parse */
  constructor(pool: Pool, onBroken: (role: RoleScope & { name: string }) => void) {
    this.#pool = pool;
    this.#onBroken = onBroken;
  }

  predefined(projectType: ProjectType): Promise<RoleSet> {
    return this.custom({ organizationId: '', projectType, projectId: '' });
  }

  async custom(scope: RoleScope): Promise<RoleSet> {
    const roles = new Map<string, string>();
    for (const row of await this.#rows(scope)) {
      const checked = checkRoleDescriptor(row.descriptor);
      if (checked.ok) roles.set(row.name, JSON.stringify(checked.descriptor));
      else this.#onBroken({ ...scope, name: row.name });
    }
    return roles;
  }

  async #rows(scope: RoleScope): Promise<{ name: string; descriptor: unknown }[]> {
    try {
      const result = await this.#pool.query({
        name: 'roles-of-project',
        text: `SELECT name, descriptor FROM roles
               WHERE organization_id = $1 AND project_type = $2 AND project_id = $3 AND deleted_at IS NULL`,
        values: [scope.organizationId, scope.projectType, scope.projectId],
      });
      return result.rows;
    } catch (error) {
      throw new StoreUnavailableError('Postgres', error);
    }
  }
}
