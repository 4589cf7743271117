import { z } from 'zod';
import { IamError } from '../../errors.ts';
import type { Queries } from '../database.ts';

/** An organization in the format of the Elastic Cloud API, which has more, optional fields. */
export const organizationSchema = z
  .object({ id: z.string(), name: z.string() })
  .describe('An organization.')
  .meta({ id: 'Organization' });

type OrganizationView = z.output<typeof organizationSchema>;

/**
 * Returns the caller's organization. Any other is not found, whether it exists or not.
 * @param id of the requested organization
 */
export async function viewOrganization(
  on: Queries,
  ownId: string,
  id: string = ownId,
): Promise<OrganizationView> {
  const [organization] =
    id === ownId
      ? await on.query<OrganizationView>('SELECT id, name FROM organizations WHERE id = $1', [id])
      : [];
  if (organization === undefined) throw new IamError('ORGANIZATION_NOT_FOUND');
  return organization;
}
