import type { PredefinedRole, PredefinedSet } from '../roles/predefined-set.ts';

/** Runs one statement and returns its rows. */
type Query = (text: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

/** What a load found. */
export interface LoadedSet {
  /** Whether the set was written. Else the database has a newer one, or another one of the same version, which stays. */
  loaded: boolean;
  /** The version that the database has afterwards; `null` for none. */
  version: string | null;
}

/**
 * Writes a set of predefined roles, unless the database has a newer one or another one of the same version. Equal rows stay
 * unchanged, so a repetition causes no change in the regions. Roles that the set lacks stay: keys may have them.
 * @param query inside a transaction
 * @param options `force` writes in any case; `dryRun` writes nothing
 */
export async function loadPredefinedRoles(
  query: Query,
  set: PredefinedSet,
  { force = false, dryRun = false }: { force?: boolean; dryRun?: boolean } = {},
): Promise<LoadedSet> {
  const [row] = await query('SELECT version FROM predefined_role_set FOR UPDATE');
  const stored = row === undefined ? null : String(row.version);
  const stays =
    stored !== null && (stored > set.version || (stored === set.version && (await differs(query, set))));
  if ((stays && !force) || dryRun) return { loaded: !stays || force, version: stored };
  await query(
    `INSERT INTO predefined_role_set (version, source) VALUES ($1, $2)
     ON CONFLICT (id) DO UPDATE SET version = EXCLUDED.version, source = EXCLUDED.source, loaded_at = now()`,
    [set.version, set.source],
  );
  await writePredefinedRoles(query, set.roles);
  return { loaded: true, version: set.version };
}

async function differs(query: Query, { roles }: PredefinedSet): Promise<boolean> {
  const rows = await query(
    `SELECT FROM jsonb_to_recordset($1::jsonb) AS seed (project_type text, name text, descriptor jsonb)
       LEFT JOIN roles ON organization_id = '' AND project_id = '' AND deleted_at IS NULL
         AND roles.project_type = seed.project_type AND roles.name = seed.name
     WHERE roles.descriptor IS DISTINCT FROM seed.descriptor LIMIT 1`,
    [JSON.stringify(roles.map(rowOf))],
  );
  return rows.length > 0;
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
