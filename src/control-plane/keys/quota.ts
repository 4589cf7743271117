import { IamError } from '../../errors.ts';
import type { Queries } from '../database.ts';
import type { Organization } from '../organizations/organizations.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';

/**
 * Checks that the organization can have one more active key. The caller holds the lock of the organization, so the count cannot
 * change. Internal keys have their own quota: keys that services create must not use up the quota of people.
 *
 * The counter includes keys that have expired since the last recount, so only a recount refuses.
 * @throws {IamError} `api_keys.quota_exceeded` or `api_keys.internal_quota_exceeded`
 */
export async function assertWithinQuota(
  transaction: Queries,
  deps: LifecycleDeps,
  organization: Organization,
  { internal }: { internal: boolean },
): Promise<void> {
  const quota = internal ? deps.internalKeyQuota : organization.keyQuota;
  const counted = internal ? organization.internalKeys : organization.externalKeys;
  if (counted < quota) return;
  const active = await recount(transaction, organization.id, internal);
  if (active < quota) return;
  const kind = internal ? 'active internal API keys' : 'active API keys';
  throw new IamError(internal ? 'INTERNAL_QUOTA_EXCEEDED' : 'QUOTA_EXCEEDED', {
    message: `The organization has ${active} ${kind} and its quota is ${quota}. Revoke one that is not needed.`,
  });
}

async function recount(transaction: Queries, organizationId: string, internal: boolean): Promise<number> {
  const column = internal ? 'internal_keys' : 'external_keys';
  const [row] = await transaction.query<{ count: number }>(
    `UPDATE organizations SET ${column} = (
       SELECT count(*) FROM api_keys
       WHERE organization_id = $1 AND internal = $2 AND is_active(revoked_at, expires_at)
     ) WHERE id = $1 RETURNING ${column} AS count`,
    [organizationId, internal],
  );
  return row?.count ?? 0;
}
