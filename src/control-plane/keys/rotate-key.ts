import { z } from 'zod';
import { IamError, violationsError } from '../../errors.ts';
import type { KeyRecord } from '../../keys/key-record.ts';
import type { Violation } from '../../roles/violation.ts';
import { recordEvent } from '../audit/record-event.ts';
import { parseInput } from '../input.ts';
import { assertCallerActive, lockOrganization } from '../organizations/organizations.ts';
import type { Principal } from '../principal.ts';
import type { IssuedKey } from './create-key.ts';
import { parseGracePeriod, parseTtl } from './durations.ts';
import { type GeneratedSecret, generateSecret } from './generate-secret.ts';
import { type RetryGuard, runIdempotent } from './idempotency.ts';
import { isKeyId, type NewSecret, replaceSecret, selectKey } from './key-rows.ts';
import { keyStatus, keyView } from './key-view.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';
import { assertWithinQuota } from './quota.ts';

/** Body of `POST /users/auth/keys/{id}/_rotate`. */
export const rotateKeySchema = z.strictObject({
  grace_period: z
    .string()
    .optional()
    .describe(
      'How long the old secret stays valid: "24h" (default), "7d" …, or "0" to end it immediately. At most 30 days.',
    ),
  expiration: z
    .string()
    .optional()
    .describe(
      'New expiration, counted from now: "3h", "30d", "12w" …, at most one year, or "never". Default: unchanged.',
    ),
});

/** What a rotation needs beside its body. */
export interface RotateOptions {
  /** Rotate during the grace period of the previous rotation. */
  force?: boolean;
  retry?: RetryGuard | undefined;
}

/**
 * Gives a key a new secret. The old secret stays valid for the grace period. The caller must be an owner.
 *
 * The row can hold one old secret, so another rotation during the grace period would end a secret that clients still use. It is
 * refused unless forced, or unless its own grace period is 0, which ends every older secret on purpose.
 */
export async function rotateKey(
  deps: LifecycleDeps,
  principal: Principal,
  id: string,
  input: unknown,
  options: RotateOptions = {},
): Promise<IssuedKey> {
  const rotation = parseRotation(input);
  const { organizationId } = principal;
  if (!isKeyId(id)) throw new IamError('KEY_NOT_FOUND');
  const generated = await generateSecret(deps, id);
  const nowMs = deps.nowForExpiry();
  const { response, replayed } = await deps.database.transactionOf(organizationId, async (transaction) => {
    const organization = await lockOrganization(transaction, organizationId);
    await assertCallerActive(transaction, principal, { owner: true, nowMs });
    return runIdempotent(transaction, principal, options.retry, nowMs, async () => {
      const before = await selectKey(transaction, organizationId, id);
      if (before === undefined) throw new IamError('KEY_NOT_FOUND');
      assertRotatable(before, rotation, options.force === true, nowMs);
      if (keyStatus(before, nowMs) === 'expired') {
        await assertWithinQuota(transaction, deps, organization, { internal: before.internal });
      }
      const after = await replaceSecret(transaction, id, newSecret(before, rotation, generated, nowMs));
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
      return { ...view, key: generated.credential };
    });
  });
  return { key: response, replayed };
}

interface Rotation {
  graceMs: number;
  /** Absent: the expiration does not change. */
  ttlMs?: number | null;
}

/** @param input may be absent */
function parseRotation(input: unknown): Rotation {
  const body = parseInput(rotateKeySchema, input ?? {});
  const grace = parseGracePeriod(body.grace_period);
  const ttl = body.expiration === undefined ? undefined : parseTtl(body.expiration);
  const violations: Violation[] = [];
  if ('problem' in grace) violations.push({ path: 'grace_period', message: grace.problem });
  if (ttl !== undefined && 'problem' in ttl) violations.push({ path: 'expiration', message: ttl.problem });
  if ('problem' in grace || (ttl !== undefined && 'problem' in ttl)) {
    throw violationsError('INVALID_INPUT', violations);
  }
  return { graceMs: grace.graceMs, ...(ttl === undefined ? {} : { ttlMs: ttl.ttlMs }) };
}

function assertRotatable(key: KeyRecord, rotation: Rotation, force: boolean, nowMs: number): void {
  const status = keyStatus(key, nowMs);
  if (status === 'revoked') throw new IamError('KEY_REVOKED');
  if (status === 'expired' && rotation.ttlMs === undefined) {
    throw new IamError('KEY_EXPIRED', { fields: ['expiration'] });
  }
  const inGracePeriod = key.previousSecretExpiresAtMs !== null && key.previousSecretExpiresAtMs > nowMs;
  if (inGracePeriod && rotation.graceMs > 0 && !force) throw new IamError('ROTATION_IN_PROGRESS');
}

function newSecret(
  key: KeyRecord,
  rotation: Rotation,
  { secretHash, secretTag }: GeneratedSecret,
  nowMs: number,
): NewSecret {
  const expiresAtMs =
    rotation.ttlMs === undefined ? key.expiresAtMs : rotation.ttlMs === null ? null : nowMs + rotation.ttlMs;
  // The old secret of an expired key stays invalid: the new expiration applies only to the new secret.
  const keepsOld = rotation.graceMs > 0 && keyStatus(key, nowMs) === 'active';
  return {
    secretHash,
    secretTag,
    previousSecretHash: keepsOld ? key.secretHash : null,
    previousSecretTag: keepsOld ? key.secretTag : null,
    previousSecretExpiresAtMs: keepsOld ? nowMs + rotation.graceMs : null,
    expiresAtMs,
  };
}
