import { type Credential, encodeCredential, generateCredential } from '../../credential/format.ts';
import { hashSecret } from '../../credential/hash.ts';
import { IamError } from '../../errors.ts';
import type { RoleAssignments } from '../../roles/role-assignments.ts';
import { recordEvent } from '../audit/audit.ts';
import type { AuditAction } from '../audit/audit-event.ts';
import type { Queries } from '../database.ts';
import { withinOrganization } from '../organizations/assignment-scope.ts';
import { assertCallerActive, lockOrganization } from '../organizations/organizations.ts';
import type { Principal } from '../principal.ts';
import { once, type RetryGuard } from './idempotency.ts';
import { checkNewKey } from './key-input.ts';
import { insertKey, selectKey } from './key-rows.ts';
import { type KeyWithCredential, keyView } from './key-view.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';
import { assertWithinQuota } from './quota.ts';

const LEGACY_ID_CHARS = 20;
const LEGACY_SECRET_BYTES = 16;

/** What is asked beside the body of a creation. */
export interface CreateOptions {
  internal?: boolean;
  retry?: RetryGuard | undefined;
}

/** A key that has just been made, or the answer of the call that made it. */
export interface Created {
  key: KeyWithCredential;
  replayed: boolean;
}

/**
 * Makes a key for an organization; only an owner may.
 *
 * @param input body of `POST /users/auth/keys`, unchecked
 * @throws {IamError} for everything the caller can put right; `StoreUnavailableError` when it may or may not have happened
 */
export async function createKey(
  deps: LifecycleDeps,
  principal: Principal,
  input: unknown,
  options: CreateOptions = {},
): Promise<Created> {
  const asked = checkNewKey(input);
  const { organizationId } = principal;
  const assignments = asked.assignments && withinOrganization(asked.assignments, organizationId);
  const nowMs = deps.now();
  const { answer, replayed } = await deps.database.transaction(async (transaction) => {
    const organization = await lockOrganization(transaction, organizationId);
    await assertCallerActive(transaction, principal, { owner: true, nowMs });
    return once(transaction, principal, options.retry, nowMs, async () => {
      const internal = options.internal ?? false;
      await assertWithinQuota(transaction, deps, organization, { internal, nowMs });
      const made = await writeKey(transaction, deps, principal, await freshSecret(deps), {
        description: asked.description,
        internal,
        assignments: assignments ?? (await ownAssignments(transaction, principal)),
        expiresAtMs: asked.ttlMs === null ? null : nowMs + asked.ttlMs,
        nowMs,
        action: 'api_key.create',
      });
      return asked.warnings.length > 0 ? { ...made, warnings: asked.warnings } : made;
    });
  });
  return { key: answer, replayed };
}

/**
 * A new secret and its hash. Hashing costs milliseconds: it is done once every rule has been looked at, so that nobody
 * who is refused can make this service work.
 */
export interface FreshSecret {
  id: string;
  credential: string;
  secretHash: string;
}

/** @param id of the key that gets the secret; left out: a new one */
export async function freshSecret(deps: LifecycleDeps, id?: string): Promise<FreshSecret> {
  const credential = credentialFor(id, deps.randomBytes);
  return {
    id: credential.id,
    credential: encodeCredential(deps.credentialPrefix, credential),
    secretHash: await hashSecret(credential.secret, deps.hashParameters),
  };
}

/** A key of the legacy layout keeps it: its shorter id has no place in a v1 payload. */
function credentialFor(id: string | undefined, randomBytes: LifecycleDeps['randomBytes']): Credential {
  if (id !== undefined && id.length === LEGACY_ID_CHARS) {
    return { id, secret: randomBytes(LEGACY_SECRET_BYTES).toString('base64url'), layout: 'legacy' };
  }
  const generated = generateCredential(randomBytes);
  // A command line takes an id that begins with "-" for an option: one in 64 is drawn again.
  if (id === undefined && generated.id.startsWith('-')) return credentialFor(id, randomBytes);
  return { ...generated, id: id ?? generated.id };
}

/** A key in all its deps, once every rule has been looked at. */
export interface KeyToWrite {
  description: string;
  internal: boolean;
  assignments: RoleAssignments;
  expiresAtMs: number | null;
  nowMs: number;
  action: Extract<AuditAction, `api_key.${string}`>;
}

/** Writes a key and its event. */
export async function writeKey(
  transaction: Queries,
  deps: LifecycleDeps,
  principal: Principal,
  fresh: FreshSecret,
  key: KeyToWrite,
): Promise<KeyWithCredential> {
  const record = await insertKey(transaction, {
    id: fresh.id,
    organizationId: principal.organizationId,
    description: key.description,
    secretHash: fresh.secretHash,
    roleAssignments: key.assignments,
    internal: key.internal,
    createdBy: principal.userId,
    createdAtMs: key.nowMs,
    expiresAtMs: key.expiresAtMs,
  });
  const view = keyView(record, deps.now());
  await recordEvent(transaction, {
    organizationId: principal.organizationId,
    actor: principal.actor,
    action: key.action,
    outcome: 'success',
    targetType: 'api_key',
    targetId: record.id,
    after: view,
  });
  return { ...view, key: fresh.credential };
}

async function ownAssignments(transaction: Queries, principal: Principal): Promise<RoleAssignments> {
  const own = principal.keyId && (await selectKey(transaction, principal.organizationId, principal.keyId));
  if (own) return own.roleAssignments;
  throw new IamError('INVALID_INPUT', {
    message: 'role_assignments: is required, since there is no creating key to take them from',
    fields: ['role_assignments'],
  });
}
