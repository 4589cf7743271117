import type { PredefinedRole, PredefinedSet } from '../roles/predefined-set.ts';

/** Runs one statement and returns its rows. */
type Query = (text: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

/** What a load changed. */
export interface LoadedSet {
  /** `false` if the database has a newer set, which stays. */
  loaded: boolean;
  /** The version that the database has afterwards. */
  version: string;
}

/**
 * Writes a set of predefined roles, unless the database has a newer one. Equal rows stay unchanged, so a repetition causes
 * no change in the regions. Roles that the set lacks stay: keys may have them.
 * @param query inside a transaction
 */
export async function loadPredefinedRoles(
  query: Query,
  { version, source, roles }: PredefinedSet,
): Promise<LoadedSet> {
  const [stored] = await query('SELECT version FROM predefined_role_set FOR UPDATE');
  if (typeof stored?.version === 'string' && stored.version > version)
    return { loaded: false, version: stored.version };
  await query(
    `INSERT INTO predefined_role_set (version, source) VALUES ($1, $2)
     ON CONFLICT (id) DO UPDATE SET version = EXCLUDED.version, source = EXCLUDED.source, loaded_at = now()`,
    [version, source],
  );
  await writePredefinedRoles(query, roles);
  return { loaded: true, version };
}

/** Writes the rows of predefined roles. Equal rows stay unchanged. */
export async function writePredefinedRoles(query: Query, roles: readonly PredefinedRole[]): Promise<void> {
  await query(
    `INSERT INTO roles (project_type, name, descriptor, version)
     SELECT project_type, name, descriptor, 0
     FROM jsonb_to_recordset($1::jsonb) AS seed (project_type text, name text, descriptor jsonb)
     ON CONFLICT (organization_id, project_type, project_id, name)
     DO UPDATE SET descriptor = EXCLUDED.descriptor, deleted_at = NULL
     WHERE roles.descriptor IS DISTINCT FROM EXCLUDED.descriptor OR roles.deleted_at IS NOT NULL`,
    [JSON.stringify(roles.map(rowOf))],
  );
}

function rowOf({ projectType, name, descriptor }: PredefinedRole) {
  return { project_type: projectType, name, descriptor };
}
