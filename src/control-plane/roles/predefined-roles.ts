import { type LoadedSet, loadPredefinedRoles } from '../../database/predefined-roles.ts';
import { IamError } from '../../errors.ts';
import type { PredefinedRole, PredefinedSet } from '../../roles/predefined-set.ts';
import type { ProjectType } from '../../roles/project-type.ts';
import { readRoleDescriptor } from '../../roles/role-descriptor.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Queries } from '../database.ts';
import type { Actor } from '../principal.ts';

/** The predefined roles of the database, which may be newer than those of the release. */
export async function listPredefinedRoles(on: Queries, type?: ProjectType): Promise<PredefinedRole[]> {
  const rows = await on.query<{ project_type: ProjectType; name: string; descriptor: unknown }>(
    `SELECT project_type, name, descriptor FROM roles
     WHERE organization_id = '' AND project_id = '' AND deleted_at IS NULL AND ($1::text IS NULL OR project_type = $1)
     ORDER BY project_type, name`,
    [type ?? null],
  );
  return rows.flatMap(({ project_type: projectType, name, descriptor: stored }) => {
    const descriptor = readRoleDescriptor(stored);
    return descriptor === undefined ? [] : [{ projectType, name, descriptor }];
  });
}

/** How `loadSet` treats a set that the rules for versions refuse, and whether it only checks. */
export interface LoadOptions {
  force: boolean;
  dryRun: boolean;
  now: () => number;
}

/**
 * Loads a set. The change and its audit event are one transaction.
 * @throws {IamError} if the database has a later set or another one of this version, if the version is in the future, or if
 *   a new role has the name of a custom role; `force` overrides all but the last
 */
export async function loadSet(
  database: Database,
  actor: Actor,
  set: PredefinedSet,
  { force, dryRun, now }: LoadOptions,
): Promise<LoadedSet> {
  if (!force) assertNotInFuture(set, now());
  return database.transaction(async (transaction) => {
    await assertNoCustomRoles(transaction, set);
    const run = (text: string, values?: unknown[]) =>
      transaction.query<Record<string, unknown>>(text, values);
    const result = await loadPredefinedRoles(run, set, { force, dryRun });
    if (!result.loaded) throw conflict(set, result.version);
    if (!dryRun) {
      await recordEvent(transaction, {
        organizationId: null,
        actor,
        action: 'predefined_roles.load',
        outcome: 'success',
        after: { version: set.version, source: set.source, roles: set.roles.length },
      });
    }
    return result;
  });
}

/** Time zones are up to 14 hours ahead of UTC. */
const AHEAD_MS = 14 * 3_600_000;

/** A mistyped year would block every set and release until then. */
function assertNotInFuture({ version }: PredefinedSet, nowMs: number): void {
  const today = new Date(nowMs + AHEAD_MS).toISOString().slice(0, version.length);
  if (version <= today) return;
  throw new IamError('ROLE_SET_CONFLICT', {
    message: `The version ${version} is in the future, so it would block all sets and releases before it. Correct it, or add --force.`,
  });
}

function conflict({ version }: PredefinedSet, stored: string | null): IamError {
  return new IamError('ROLE_SET_CONFLICT', {
    message:
      stored === version
        ? `The database has other definitions of the same version ${version}. Give this set a later version, or add --force.`
        : `The database has the later version ${stored}. Add --force to replace it.`,
  });
}

/** A predefined role takes precedence, so it would silently change the permissions of keys that have the custom role. */
async function assertNoCustomRoles(transaction: Queries, { roles }: PredefinedSet): Promise<void> {
  const rows = await transaction.query<{ id: string; total: number }>(
    `SELECT organization_id || '/' || project_type || '/' || project_id || '/' || name AS id, count(*) OVER ()::int AS total
     FROM roles
     WHERE organization_id <> '' AND deleted_at IS NULL
       AND (project_type, lower(name)) IN (SELECT project_type, lower(name) FROM unnest($1::text[], $2::text[]) AS new (project_type, name))
     ORDER BY 1 LIMIT 10`,
    [roles.map(({ projectType }) => projectType), roles.map(({ name }) => name)],
  );
  if (rows.length === 0) return;
  throw new IamError('ROLE_INVALID', {
    message: `${rows[0]?.total} custom roles have names of this set, and their keys would get other permissions. Rename them first: ${rows.map(({ id }) => id).join(', ')}`,
  });
}
