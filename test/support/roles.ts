import type pg from 'pg';
import type { RoleDescriptor } from '../../src/roles/role-descriptor.ts';

/** A descriptor with the lists that are always present. */
export function descriptor(fields: Partial<RoleDescriptor>): RoleDescriptor {
  return { cluster: [], indices: [], applications: [], run_as: [], ...fields };
}

/** Writes a custom role of an Elasticsearch project into the primary, without the control plane. */
export async function putRole(
  primary: pg.Pool,
  organizationId: string,
  name: string,
  descriptor: unknown,
  projectId = 'p1',
): Promise<void> {
  await primary.query(
    `INSERT INTO roles (organization_id, project_type, project_id, name, descriptor, version)
     VALUES ($1, 'elasticsearch', $2, $3, $4, 0)
     ON CONFLICT (organization_id, project_type, project_id, name) DO UPDATE SET descriptor = EXCLUDED.descriptor`,
    [organizationId, projectId, name, JSON.stringify(descriptor)],
  );
}
