import type { ClientBase } from 'pg';
import { predefinedRoles } from '../roles/predefined.ts';

/**
 * Writes the predefined roles of this release to the primary. Equal rows stay unchanged, so a restart causes no change
 * in the regions.
 */
export async function seedPredefinedRoles(client: ClientBase): Promise<void> {
  const rows = predefinedRoles.map((role) => ({
    project_type: role.projectType,
    name: role.name,
    descriptor: role.descriptor,
  }));
  await client.query(
    `INSERT INTO roles (project_type, name, descriptor, version)
     SELECT project_type, name, descriptor, 0
     FROM jsonb_to_recordset($1::jsonb) AS seed (project_type text, name text, descriptor jsonb)
     ON CONFLICT (organization_id, project_type, project_id, name)
     DO UPDATE SET descriptor = EXCLUDED.descriptor, deleted_at = NULL
     WHERE roles.descriptor IS DISTINCT FROM EXCLUDED.descriptor OR roles.deleted_at IS NOT NULL`,
    [JSON.stringify(rows)],
  );
}
