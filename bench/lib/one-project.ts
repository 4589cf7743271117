import type { BenchKey } from './keys.ts';
import type { KeyRow } from './region-database.ts';
import { viewerOn } from './region-database.ts';
import { authenticateRequest, type Context } from './requests.ts';

/** The project that most cases ask about. */
export const project: Context = {
  projectId: 'c0ffee00c0ffee00c0ffee00c0ffee00',
  projectType: 'elasticsearch',
  organizationId: 'org-bench',
};

/** A key that is `viewer` on the project. */
export function viewerRow({ id, secretHash }: Pick<BenchKey, 'id' | 'secretHash'>): KeyRow {
  const { organizationId, projectId } = project;
  return { id, secretHash, organizationId, roleAssignments: viewerOn(organizationId, projectId) };
}

/** A call of a key about the project. */
export function projectRequest({ authorization }: Pick<BenchKey, 'authorization'>): Buffer {
  return authenticateRequest(authorization, [project]);
}
