import { IamError } from '../../errors.ts';
import type { KeyRecord } from '../../keys/key-record.ts';
import { recordEvent } from '../audit/audit.ts';
import { assertCallerActive, lockOrganization } from '../organizations/organizations.ts';
import type { Principal } from '../principal.ts';
import { freshSecret } from './create-key.ts';
import { once, type RetryGuard } from './idempotency.ts';
import { checkRotation, type Rotation } from './key-input.ts';
import { type NewSecret, replaceSecret, selectKey } from './key-rows.ts';
import { type KeyWithCredential, keyStatus, keyView } from './key-view.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';
import { assertWithinQuota } from './quota.ts';

export interface RotateOptions {
  /** Rotate although the grace period of the last rotation still runs. */
  force?: boolean;
  retry?: RetryGuard | undefined;
}

/**
 * Gives a key a new secret; the one before goes on for the grace period. Only an owner may.
 *
 * A second rotation during a grace period is refused unless forced, because the row has place for one old secret:
 * it would end the one that clients still use. A grace period of 0 ends every older secret, which is what it is for.
 */
export async function rotateKey(
  deps: LifecycleDeps,
  principal: Principal,
  id: string,
  input: unknown,
  options: RotateOptions = {},
): Promise<{ key: KeyWithCredential; replayed: boolean }> {
  const rotation = checkRotation(input);
  const { organizationId } = principal;
  const nowMs = deps.now();
  const { answer, replayed } = await deps.database.transaction(async (transaction) => {
    const organization = await lockOrganization(transaction, organizationId);
    await assertCallerActive(transaction, principal, { owner: true, nowMs });
    return once(transaction, principal, options.retry, nowMs, async () => {
      const before = await selectKey(transaction, organizationId, id);
      if (before === undefined) throw new IamError('KEY_NOT_FOUND');
      refuseImpossible(before, rotation, options.force === true, nowMs);
      if (keyStatus(before, nowMs) === 'expired') {
        await assertWithinQuota(transaction, deps, organization, { internal: before.internal, nowMs });
      }
      const fresh = await freshSecret(deps, id);
      const after = await replaceSecret(
        transaction,
        id,
        newSecret(before, rotation, fresh.secretHash, nowMs),
      );
      const view = keyView(after, nowMs);
      await recordEvent(transaction, {
        organizationId,
        actor: principal.actor,
        action: 'api_key.rotate',
        outcome: 'success',
        targetType: 'api_key',
        targetId: id,
        before: keyView(before, nowMs),
        after: view,
      });
      return { ...view, key: fresh.credential };
    });
  });
  return { key: answer, replayed };
}

function refuseImpossible(key: KeyRecord, rotation: Rotation, force: boolean, nowMs: number): void {
  const status = keyStatus(key, nowMs);
  if (status === 'revoked') throw new IamError('KEY_REVOKED');
  if (status === 'expired' && rotation.ttlMs === undefined) {
    throw new IamError('KEY_EXPIRED', { fields: ['expiration'] });
  }
  const graceRuns = key.previousSecretExpiresAtMs !== null && key.previousSecretExpiresAtMs > nowMs;
  if (graceRuns && rotation.graceMs > 0 && !force) throw new IamError('ROTATION_IN_PROGRESS');
}

function newSecret(key: KeyRecord, rotation: Rotation, secretHash: string, nowMs: number): NewSecret {
  const expiresAtMs =
    rotation.ttlMs === undefined ? key.expiresAtMs : rotation.ttlMs === null ? null : nowMs + rotation.ttlMs;
  // The secret of a key that had expired stays dead: a new expiration is for the new secret alone.
  const keepsOld = rotation.graceMs > 0 && keyStatus(key, nowMs) === 'active';
  return {
    secretHash,
    previousSecretHash: keepsOld ? key.secretHash : null,
    previousSecretExpiresAtMs: keepsOld ? nowMs + rotation.graceMs : null,
    expiresAtMs,
  };
}
