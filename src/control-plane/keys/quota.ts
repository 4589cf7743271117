import { IamError } from '../../errors.ts';
import type { Queries } from '../database.ts';
import type { Organization } from '../organizations/organizations.ts';
import { countActive } from './key-rows.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';

/**
 * Checks that the organization can have one more active key. The caller holds the lock of the organization, so the count cannot
 * change. Internal keys have their own quota: keys that services create must not use up the quota of people.
 * @throws {IamError} `api_keys.quota_exceeded` or `api_keys.internal_quota_exceeded`
 */
export async function assertWithinQuota(
  transaction: Queries,
  deps: LifecycleDeps,
  organization: Organization,
  key: { internal: boolean; nowMs: number },
): Promise<void> {
  const quota = key.internal ? deps.internalKeyQuota : organization.keyQuota;
  const active = await countActive(transaction, organization.id, key);
  if (active < quota) return;
  const kind = key.internal ? 'active internal API keys' : 'active API keys';
  throw new IamError(key.internal ? 'INTERNAL_QUOTA_EXCEEDED' : 'QUOTA_EXCEEDED', {
    message: `The organization has ${active} ${kind} and its quota is ${quota}. Revoke one that is not needed.`,
  });
}
