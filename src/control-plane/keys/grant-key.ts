import { z } from 'zod';
import { IamError } from '../../errors.ts';
import { PROJECT_TYPES } from '../../roles/project-type.ts';
import type { RoleAssignments } from '../../roles/role-assignments.ts';
import { parseInput } from '../input.ts';
import { assertCallerActive, lockOrganization } from '../organizations/organizations.ts';
import type { Principal } from '../principal.ts';
import { createKeySchema, type IssuedKey } from './create-key.ts';
import { parseTtl } from './durations.ts';
import { generateSecret } from './generate-secret.ts';
import { type RetryGuard, runIdempotent } from './idempotency.ts';
import { issueKey } from './issue-key.ts';
import { selectKey } from './key-rows.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';
import { assertWithinQuota } from './quota.ts';

/** Body of `POST /uiam/api/v1/api-keys/_grant`. */
export const grantKeySchema = z.strictObject({
  description: createKeySchema.shape.description,
  internal: z.boolean().describe('Valid only with client authentication.'),
  expiration: z
    .string()
    .optional()
    .describe(
      "Time until the key expires, as for other keys; not later than the caller's key. Default: the expiration of the caller's key.",
    ),
  role_assignments: z.strictObject({
    limit: z
      .strictObject({
        access: z.array(z.literal('application')).min(1),
        resource: z.array(z.literal('project')).min(1),
      })
      .describe(
        "The caller's assignments that the new key gets. Only application roles on projects are supported.",
      ),
  }),
});

/**
 * Creates a key with the caller's own permissions on projects. Any key may do this, because the new key has no permission beyond
 * those of the caller and does not expire later.
 */
export async function grantKey(
  deps: LifecycleDeps,
  principal: Principal & { keyId: string },
  input: unknown,
  retry?: RetryGuard,
): Promise<IssuedKey> {
  const request = parseInput(grantKeySchema, input);
  const ttl = request.expiration === undefined ? undefined : parseTtl(request.expiration);
  if (ttl !== undefined && 'problem' in ttl) throw invalidExpiration(ttl.problem);
  const secret = await generateSecret(deps);
  const nowMs = deps.nowForExpiry();
  const { response, replayed } = await deps.database.transactionOf(
    principal.organizationId,
    async (transaction) => {
      const organization = await lockOrganization(transaction, principal.organizationId);
      await assertCallerActive(transaction, principal, { owner: false, nowMs });
      return runIdempotent(transaction, principal, retry, nowMs, async () => {
        const caller = await selectKey(transaction, organization.id, principal.keyId);
        if (caller === undefined) throw new IamError('KEY_NOT_FOUND');
        const assignments = applicationRolesOnly(caller.roleAssignments);
        if (isEmpty(assignments)) {
          throw new IamError('PERMISSION_DENIED', {
            message: 'The API key has no application roles on projects to grant.',
          });
        }
        await assertWithinQuota(transaction, deps, organization, { internal: request.internal });
        return issueKey(transaction, deps, principal, {
          secret,
          description: request.description,
          internal: request.internal,
          assignments,
          expiresAtMs: expirationOf(ttl?.ttlMs, caller.expiresAtMs, nowMs),
          nowMs,
          action: 'api_key.grant',
        });
      });
    },
  );
  return { key: response, replayed };
}

function expirationOf(
  ttlMs: number | null | undefined,
  callerExpiresAtMs: number | null,
  nowMs: number,
): number | null {
  if (ttlMs === undefined) return callerExpiresAtMs;
  const expiresAtMs = ttlMs === null ? null : nowMs + ttlMs;
  if (callerExpiresAtMs !== null && (expiresAtMs === null || expiresAtMs > callerExpiresAtMs)) {
    throw invalidExpiration("must not be later than that of the caller's API key; omit it to use the same");
  }
  return expiresAtMs;
}

type ProjectEntry = NonNullable<RoleAssignments['project']>[string][number];

/**
 * Limits assignments to application roles on projects: the same roles on the same projects, without access to the Cloud API.
 * An organization entry with application roles covers all projects of every type, so it becomes one entry for each type.
 */
function applicationRolesOnly(assignments: RoleAssignments): RoleAssignments {
  const project: Record<string, ProjectEntry[]> = {};
  const add = (type: string, entry: ProjectEntry) => {
    if (!entry.application_roles?.length) return;
    project[type] = [...(project[type] ?? []), { ...entry, role_id: `${type}-application-only` }];
  };
  for (const entry of assignments.organization ?? []) {
    for (const type of PROJECT_TYPES) add(type, { ...entry, all: true });
  }
  for (const [type, entries] of Object.entries(assignments.project ?? {})) {
    for (const entry of entries) add(type, entry);
  }
  return { project };
}

function isEmpty(assignments: RoleAssignments): boolean {
  return Object.keys(assignments.project ?? {}).length === 0;
}

function invalidExpiration(problem: string): IamError {
  return new IamError('INVALID_INPUT', { message: `expiration: ${problem}`, fields: ['expiration'] });
}
