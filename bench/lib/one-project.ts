import type { BenchKey } from './keys.ts';
import type { KeyRow } from './region-database.ts';
import { viewerOn } from './region-database.ts';
import { authenticateRequest, type Context } from './requests.ts';

/** The project of the requests in most cases. */
export const project: Context = {
  projectId: 'c0ffee00c0ffee00c0ffee00c0ffee00',
  projectType: 'elasticsearch',
  organizationId: 'org-bench',
};

/** The row of a key with the role `viewer` on the project. */
export function viewerRow({ id, secretHash }: Pick<BenchKey, 'id' | 'secretHash'>): KeyRow {
  const { organizationId, projectId } = project;
  return { id, secretHash, organizationId, roleAssignments: viewerOn(organizationId, projectId) };
}

/** A request of a key for the project. */
export function projectRequest({ authorization }: Pick<BenchKey, 'authorization'>): Buffer {
  return authenticateRequest(authorization, [project]);
}
