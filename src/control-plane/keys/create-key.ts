import { z } from 'zod';
import { IamError, violationsError } from '../../errors.ts';
import { checkNewRoleAssignments } from '../../roles/new-role-assignments.ts';
import { parseIgnoringNulls } from '../../roles/null-fields.ts';
import type { RoleAssignments } from '../../roles/role-assignments.ts';
import type { Violation } from '../../roles/violation.ts';
import type { Queries } from '../database.ts';
import { unstorable } from '../input.ts';
import { withinOrganization } from '../organizations/assignment-scope.ts';
import { assertCallerActive, lockOrganization } from '../organizations/organizations.ts';
import type { Principal } from '../principal.ts';
import { expirationSchema, parseTtl } from './durations.ts';
import { generateSecret } from './generate-secret.ts';
import { type RetryGuard, runIdempotent } from './idempotency.ts';
import { issueKey } from './issue-key.ts';
import { selectKey } from './key-rows.ts';
import type { KeyWithCredential } from './key-view.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';
import { assertWithinQuota } from './quota.ts';

export const MAX_DESCRIPTION_CHARS = 1_024;

/** Body of `POST /users/auth/keys`. */
export const createKeySchema = z.strictObject({
  description: z
    .string()
    .max(MAX_DESCRIPTION_CHARS, `must have at most ${MAX_DESCRIPTION_CHARS} characters`)
    .refine((text) => text.trim() !== '', 'must not be blank')
    .describe('Purpose of the key.'),
  expiration: expirationSchema.optional(),
  role_assignments: z
    .unknown()
    .optional()
    .describe("Roles of the key. Default: the role assignments of the caller's key, with a warning."),
});

/** What a creation needs beside its body. */
export interface CreateOptions {
  internal?: boolean;
  retry?: RetryGuard | undefined;
}

/** A created or rotated key, or the stored response of an earlier request with the same `Idempotency-Key`. */
export interface IssuedKey {
  key: KeyWithCredential;
  replayed: boolean;
}

/**
 * Creates a key in the caller's organization. The caller must be an owner.
 *
 * @param input body of `POST /users/auth/keys`, unvalidated
 * @throws {IamError} when the request is refused
 * @throws {StoreUnavailableError} when the outcome is unknown: the key may exist
 */
export async function createKey(
  deps: LifecycleDeps,
  principal: Principal,
  input: unknown,
  options: CreateOptions = {},
): Promise<IssuedKey> {
  const request = parseCreation(input);
  const { organizationId } = principal;
  const assignments = request.assignments && withinOrganization(request.assignments, organizationId);
  const secret = await generateSecret(deps);
  const nowMs = deps.nowForExpiry();
  const { response, replayed } = await deps.database.transactionOf(organizationId, async (transaction) => {
    const organization = await lockOrganization(transaction, organizationId);
    await assertCallerActive(transaction, principal, { owner: true, nowMs });
    return runIdempotent(transaction, principal, options.retry, nowMs, async () => {
      const internal = options.internal ?? false;
      await assertWithinQuota(transaction, deps, organization, { internal });
      const key = await issueKey(transaction, deps, principal, {
        secret,
        description: request.description,
        internal,
        assignments: assignments ?? (await callerAssignments(transaction, principal)),
        expiresAtMs: request.ttlMs === null ? null : nowMs + request.ttlMs,
        nowMs,
        action: 'api_key.create',
      });
      return request.warnings.length > 0 ? { ...key, warnings: request.warnings } : key;
    });
  });
  return { key: response, replayed };
}

interface Creation {
  description: string;
  ttlMs: number | null;
  /** Absent: the assignments of the caller's key. */
  assignments?: RoleAssignments;
  warnings: readonly string[];
}

/** @throws {IamError} that names every invalid field at once */
function parseCreation(input: unknown): Creation {
  const violations: Violation[] = unstorable(input);
  const parsed = parseIgnoringNulls(createKeySchema, input);
  const body = parsed.ok ? parsed.value : undefined;
  if (!parsed.ok) violations.push(...parsed.violations);

  const ttl = parseTtl(body?.expiration);
  if ('problem' in ttl) violations.push({ path: 'expiration', message: ttl.problem });
  // The assignments are checked even if the rest of the body is invalid, so that one response names everything.
  const requested = roleAssignmentsOf(input);
  if (requested === null) violations.push({ path: 'role_assignments', message: NULL_ASSIGNMENTS });
  const assignments = requested == null ? undefined : checkNewRoleAssignments(requested);
  if (assignments?.ok === false) {
    violations.push(...assignments.violations.map((violation) => below('role_assignments', violation)));
  }
  if (body === undefined || violations.length > 0 || 'problem' in ttl) {
    throw violationsError('INVALID_INPUT', violations);
  }
  return {
    description: body.description,
    ttlMs: ttl.ttlMs,
    ...(assignments?.ok ? { assignments: assignments.assignments } : {}),
    warnings: assignments?.ok
      ? assignments.warnings.map((text) => `role_assignments.${text}`)
      : [COPIED_ASSIGNMENTS],
  };
}

const COPIED_ASSIGNMENTS =
  "role_assignments: absent, so the key has the same permissions as the caller's key, including its owner permissions";
const NULL_ASSIGNMENTS =
  "must be an object with the roles of the key; leave it out only if the key is to have the same permissions as the caller's key";

function roleAssignmentsOf(input: unknown): unknown {
  return (input as { role_assignments?: unknown } | null | undefined)?.role_assignments;
}

function below(prefix: string, { path, message }: Violation): Violation {
  return { path: path.startsWith('[') || path === '' ? `${prefix}${path}` : `${prefix}.${path}`, message };
}

async function callerAssignments(transaction: Queries, principal: Principal): Promise<RoleAssignments> {
  const caller = principal.keyId && (await selectKey(transaction, principal.organizationId, principal.keyId));
  if (caller) return caller.roleAssignments;
  throw new IamError('INVALID_INPUT', {
    message: 'role_assignments: is required, because the request has no API key to copy them from',
    fields: ['role_assignments'],
  });
}
