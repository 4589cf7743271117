import { z } from 'zod';
import { IamError } from '../../errors.ts';
import type { RoleAssignments } from '../../roles/role-assignments.ts';
import { assertCallerActive, lockOrganization } from '../organizations/organizations.ts';
import type { Principal } from '../principal.ts';
import { type Created, freshSecret, writeKey } from './create-key.ts';
import { parseTtl } from './durations.ts';
import { once, type RetryGuard } from './idempotency.ts';
import { checked, createKeySchema } from './key-input.ts';
import { selectKey } from './key-rows.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';
import { applicationRolesOnly } from './narrowed-assignments.ts';
import { assertWithinQuota } from './quota.ts';

/** Body of `POST /uiam/api/v1/api-keys/_grant`. */
export const grantKeySchema = z.strictObject({
  description: createKeySchema.shape.description,
  internal: z.boolean().describe('Good only with client authentication.'),
  expiration: z
    .string()
    .optional()
    .describe(
      "How long the key lives, as for keys; never longer than the caller's. Left out: as long as it.",
    ),
  role_assignments: z.strictObject({
    limit: z
      .strictObject({
        access: z.array(z.literal('application')).min(1),
        resource: z.array(z.literal('project')).min(1),
      })
      .describe("What of the caller's assignments the new key gets: application roles on projects."),
  }),
});

/**
 * Makes a key with the caller's own permissions on projects and none beyond: nothing is gained by it, so that every key
 * may, not only an owner's. Nor in time: it ends no later than the caller.
 */
export async function grantKey(
  deps: LifecycleDeps,
  principal: Principal & { keyId: string },
  input: unknown,
  retry?: RetryGuard,
): Promise<Created> {
  const asked = checked(grantKeySchema, input);
  const life = asked.expiration === undefined ? undefined : parseTtl(asked.expiration);
  if (life !== undefined && 'problem' in life) throw invalidExpiration(life.problem);
  const nowMs = deps.now();
  const { answer, replayed } = await deps.database.transaction(async (transaction) => {
    const organization = await lockOrganization(transaction, principal.organizationId);
    await assertCallerActive(transaction, principal, { owner: false, nowMs });
    return once(transaction, principal, retry, nowMs, async () => {
      const caller = await selectKey(transaction, organization.id, principal.keyId);
      if (caller === undefined) throw new IamError('KEY_NOT_FOUND');
      const assignments = applicationRolesOnly(caller.roleAssignments);
      if (isEmpty(assignments)) {
        throw new IamError('PERMISSION_DENIED', {
          message: 'The API key has no application roles on projects that it could pass on.',
        });
      }
      await assertWithinQuota(transaction, deps, organization, { internal: asked.internal, nowMs });
      return writeKey(transaction, deps, principal, await freshSecret(deps), {
        description: asked.description,
        internal: asked.internal,
        assignments,
        expiresAtMs: expiryOf(life?.ttlMs, caller.expiresAtMs, nowMs),
        nowMs,
        action: 'api_key.grant',
      });
    });
  });
  return { key: answer, replayed };
}

function expiryOf(ttlMs: number | null | undefined, callersMs: number | null, nowMs: number): number | null {
  if (ttlMs === undefined) return callersMs;
  const askedMs = ttlMs === null ? null : nowMs + ttlMs;
  if (callersMs !== null && (askedMs === null || askedMs > callersMs)) {
    throw invalidExpiration("must not outlast the caller's own API key; leave it out to live as long as it");
  }
  return askedMs;
}

function isEmpty(assignments: RoleAssignments): boolean {
  return Object.keys(assignments.project ?? {}).length === 0;
}

function invalidExpiration(problem: string): IamError {
  return new IamError('INVALID_INPUT', { message: `expiration: ${problem}`, fields: ['expiration'] });
}
