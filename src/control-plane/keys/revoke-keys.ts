import { z } from 'zod';
import { IamError } from '../../errors.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Queries } from '../database.ts';
import { assertCallerActive, lockOrganization } from '../organizations/organizations.ts';
import type { Principal } from '../principal.ts';
import { countOtherOwners, markRevoked, selectRevocable } from './key-rows.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';

const MAX_IDS = 500;

/** Body of `DELETE /users/auth/keys`. */
export const revokeKeysSchema = z.strictObject({
  keys: z
    .array(z.string().min(1).max(64))
    .min(1, 'must name at least one key')
    .max(MAX_IDS, `must name at most ${MAX_IDS} keys`)
    .describe('Ids of the keys to revoke.'),
});

export interface RevokeOptions {
  /** Revoke even the last active owner key. */
  force?: boolean;
  /** A key revokes itself; it need not be an owner's. */
  self?: boolean;
}

/**
 * Revokes all of the keys or none. Revoking a revoked key succeeds and changes nothing.
 * @throws {IamError} when the organization does not have one of the keys, or would have no active owner key left
 */
export async function revokeKeys(
  deps: LifecycleDeps,
  principal: Principal,
  ids: readonly string[],
  options: RevokeOptions = {},
): Promise<void> {
  const { organizationId } = principal;
  const nowMs = deps.now();
  await deps.database.transactionOf(organizationId, async (transaction) => {
    const assertCaller = async () => {
      if (options.self !== true) await assertCallerActive(transaction, principal, { owner: true, nowMs });
    };
    // A revocation is final, so a repeated one needs no lock.
    if (await areRevoked(transaction, organizationId, ids, nowMs)) return assertCaller();
    await lockOrganization(transaction, organizationId);
    await assertCaller();
    const found = await selectRevocable(transaction, organizationId, ids, nowMs);
    const known = new Set(found.map(({ id }) => id));
    const unknown = ids.filter((id) => !known.has(id));
    if (unknown.length > 0) throw unknownKeys(ids, unknown);

    const revokesOwner = found.some((key) => key.activeOwner);
    if (revokesOwner && options.force !== true) {
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

async function areRevoked(
  transaction: Queries,
  organizationId: string,
  ids: readonly string[],
  nowMs: number,
): Promise<boolean> {
  const found = await selectRevocable(transaction, organizationId, ids, nowMs);
  return found.length === ids.length && found.every(({ status }) => status === 'revoked');
}

function unknownKeys(ids: readonly string[], unknown: readonly string[]): IamError {
  if (ids.length === 1) return new IamError('KEY_NOT_FOUND');
  return new IamError('KEY_NOT_FOUND', {
    message: `${unknown.length} of the ${ids.length} API keys do not exist in this organization. No key was revoked.`,
    fields: unknown.map((id) => `keys[${ids.indexOf(id)}]`),
  });
}
