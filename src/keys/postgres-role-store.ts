import { asciiJson } from '../lib/ascii-json.ts';
import { TickBatcher } from '../lib/tick-batcher.ts';
import { readRoleDescriptor } from '../roles/role-descriptor.ts';
import type { Replica } from './replica.ts';
import { type LoadedRoles, type RoleScope, type RoleSet, type RoleStore, roleScopeId } from './role-store.ts';

interface RoleRow {
  organization_id: string;
  project_type: RoleScope['projectType'];
  project_id: string;
  name: string;
  descriptor: unknown;
}

interface RoleRead {
  scope: RoleScope;
  names: readonly string[] | undefined;
}

/** Reads role definitions from Postgres: one statement for all scopes of a request with many contexts. */
export class PostgresRoleStore implements RoleStore {
  readonly #replica: Replica;
  readonly #now: () => number;
  readonly #onInvalid: (role: RoleScope & { name: string }) => void;
  readonly #reads = new TickBatcher(Number.POSITIVE_INFINITY, (reads: RoleRead[]) => this.#readAll(reads));

  /** @param onInvalid receives each role that is omitted because its stored descriptor does not parse */
  constructor(replica: Replica, now: () => number, onInvalid: (role: RoleScope & { name: string }) => void) {
    this.#replica = replica;
    this.#now = now;
    this.#onInvalid = onInvalid;
  }

  get(scope: RoleScope, names?: readonly string[]): Promise<LoadedRoles> {
    return this.#reads.add({ scope, names });
  }

  async #readAll(reads: readonly RoleRead[]): Promise<LoadedRoles[]> {
    const confirmedAtMs = this.#now();
    const sets = this.#sets(await this.#rows(reads));
    return reads.map(({ scope, names }) => {
      const scopeId = roleScopeId(scope);
      return { scopeId, roles: only(names, sets.get(scopeId)), confirmedAtMs, stale: false };
    });
  }

  /** Roles of a scope whose names only other reads ask for are read too: a list of names per scope would be long. */
  #rows(reads: readonly RoleRead[]): Promise<RoleRow[]> {
    const scopes = [...new Map(reads.map(({ scope }) => [roleScopeId(scope), scope])).values()];
    const whole = new Set(
      reads.filter(({ names }) => names === undefined).map(({ scope }) => roleScopeId(scope)),
    );
    const names = new Set<string>();
    for (const read of reads) for (const name of read.names ?? []) names.add(name);
    return this.#replica.query<RoleRow>({
      name: 'roles-of-scopes',
      text: `SELECT organization_id, project_type, project_id, name, descriptor
             FROM roles
             JOIN unnest($1::text[], $2::text[], $3::text[], $4::boolean[])
               AS scope (organization_id, project_type, project_id, whole)
               USING (organization_id, project_type, project_id)
             WHERE deleted_at IS NULL AND (whole OR name = ANY ($5::text[]))`,
      values: [
        scopes.map((scope) => scope.organizationId),
        scopes.map((scope) => scope.projectType),
        scopes.map((scope) => scope.projectId),
        scopes.map((scope) => whole.has(roleScopeId(scope))),
        [...names],
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
      const descriptor = descriptorJson(row.descriptor);
      if (descriptor === undefined) this.#onInvalid({ ...scope, name: row.name });
      else set.set(row.name, descriptor);
    }
    return sets;
  }
}

/** `undefined` if it is no descriptor, or nested too deeply to be written. */
function descriptorJson(stored: unknown): string | undefined {
  const descriptor = readRoleDescriptor(stored);
  try {
    return descriptor && asciiJson(descriptor);
  } catch {
    return undefined;
  }
}

function only(names: readonly string[] | undefined, found: RoleSet = new Map()): RoleSet {
  if (names === undefined || found.size === 0) return found;
  const wanted = new Set(names);
  return new Map([...found].filter(([name]) => wanted.has(name)));
}
