import { IamError } from '../../errors.ts';
import { recordEvent } from '../audit/audit.ts';
import { assertCallerActive, lockOrganization } from '../organizations/organizations.ts';
import type { Principal } from '../principal.ts';
import { countOtherOwners, markRevoked, selectRevocable } from './key-rows.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';

export interface RevokeOptions {
  /** Revoke even the last owner key. */
  force?: boolean;
  /** The key revokes itself, which needs no owner. */
  self?: boolean;
}

/**
 * Revokes keys, all of them or none. Revoking a revoked key succeeds and changes nothing.
 * @throws {IamError} when one is unknown to the organization, or no owner key would be left
 */
export async function revokeKeys(
  deps: LifecycleDeps,
  principal: Principal,
  ids: readonly string[],
  options: RevokeOptions = {},
): Promise<void> {
  const { organizationId } = principal;
  const nowMs = deps.now();
  await deps.database.transaction(async (transaction) => {
    await lockOrganization(transaction, organizationId);
    if (options.self !== true) await assertCallerActive(transaction, principal, { owner: true, nowMs });
    const found = await selectRevocable(transaction, organizationId, ids, nowMs);
    const unknown = ids.filter((id) => !found.some((key) => key.id === id));
    if (unknown.length > 0) throw unknownKeys(ids, unknown);

    const takesAnOwner = found.some((key) => key.activeOwner);
    if (takesAnOwner && options.force !== true) {
      const left = await countOtherOwners(transaction, organizationId, ids, nowMs);
      if (left === 0) throw new IamError('LAST_OWNER');
    }
    for (const key of found) {
      if (key.status === 'revoked') continue;
      await markRevoked(transaction, key.id, `${principal.actor.type}:${principal.actor.id}`, nowMs);
      await recordEvent(transaction, {
        organizationId,
        actor: principal.actor,
        action: 'api_key.revoke',
        outcome: 'success',
        targetType: 'api_key',
        targetId: key.id,
        before: { status: key.status },
        after: { status: 'revoked', forced: options.force === true },
      });
    }
  });
}

function unknownKeys(ids: readonly string[], unknown: readonly string[]): IamError {
  if (ids.length === 1) return new IamError('KEY_NOT_FOUND');
  return new IamError('KEY_NOT_FOUND', {
    message: `${unknown.length} of the ${ids.length} API keys are unknown to this organization; none was revoked.`,
    fields: unknown.map((id) => `keys[${ids.indexOf(id)}]`),
  });
}
