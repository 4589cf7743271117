import { asciiJson } from '../lib/ascii-json.ts';
import { TickBatcher } from '../lib/tick-batcher.ts';
import { readRoleDescriptor } from '../roles/role-descriptor.ts';
import type { Replica } from './replica.ts';
import { type LoadedRoles, type RoleScope, type RoleStore, roleScopeId } from './role-store.ts';

interface RoleRow {
  organization_id: string;
  project_type: RoleScope['projectType'];
  project_id: string;
  name: string;
  descriptor: unknown;
}

/** Reads role definitions from Postgres: one statement for all scopes of a request with many contexts. */
export class PostgresRoleStore implements RoleStore {
  readonly #replica: Replica;
  readonly #now: () => number;
  readonly #onInvalid: (role: RoleScope & { name: string }) => void;
  readonly #reads = new TickBatcher(Number.POSITIVE_INFINITY, (scopes: RoleScope[]) => this.#readAll(scopes));

  /** @param onInvalid receives each role that is omitted because its stored descriptor does not parse */
  constructor(replica: Replica, now: () => number, onInvalid: (role: RoleScope & { name: string }) => void) {
    this.#replica = replica;
    this.#now = now;
    this.#onInvalid = onInvalid;
  }

  get(scope: RoleScope): Promise<LoadedRoles> {
    return this.#reads.add(scope);
  }

  async #readAll(scopes: readonly RoleScope[]): Promise<LoadedRoles[]> {
    const confirmedAtMs = this.#now();
    const sets = this.#sets(await this.#rows(scopes));
    return scopes.map((scope) => {
      const scopeId = roleScopeId(scope);
      return { scopeId, roles: sets.get(scopeId) ?? new Map(), confirmedAtMs, stale: false };
    });
  }

  #rows(scopes: readonly RoleScope[]): Promise<RoleRow[]> {
    return this.#replica.query<RoleRow>({
      name: 'roles-of-scopes',
      text: `SELECT organization_id, project_type, project_id, name, descriptor
             FROM roles JOIN unnest($1::text[], $2::text[], $3::text[]) AS scope (organization_id, project_type, project_id)
               USING (organization_id, project_type, project_id)
             WHERE deleted_at IS NULL`,
      values: [
        scopes.map((scope) => scope.organizationId),
        scopes.map((scope) => scope.projectType),
        scopes.map((scope) => scope.projectId),
      ],
    });
  }

  #sets(rows: readonly RoleRow[]): Map<string, Map<string, string>> {
    const sets = new Map<string, Map<string, string>>();
    for (const row of rows) {
      const scope = {
        organizationId: row.organization_id,
        projectType: row.project_type,
        projectId: row.project_id,
      };
      const id = roleScopeId(scope);
      const set = sets.get(id) ?? new Map<string, string>();
      sets.set(id, set);
      const descriptor = readRoleDescriptor(row.descriptor);
      if (descriptor === undefined) this.#onInvalid({ ...scope, name: row.name });
      else set.set(row.name, asciiJson(descriptor));
    }
    return sets;
  }
}
