import { IamError } from '../../errors.ts';
import type { Queries } from '../database.ts';
import type { Organization } from '../organizations/organizations.ts';
import { countActive } from './key-rows.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';

/**
 * Makes sure that the organization may have one active key more. The caller holds its lock, so nobody else counts
 * at the same time. Internal keys are counted apart: services make them, and people must not run out because of it.
 * @throws {IamError} `api_keys.quota_exceeded`
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
    message: `The organization has ${active} ${kind} and may have ${quota}. Revoke one that is not needed.`,
  });
}
