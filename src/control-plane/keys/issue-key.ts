import type { RoleAssignments } from '../../roles/role-assignments.ts';
import type { AuditAction } from '../audit/audit-event.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Queries } from '../database.ts';
import type { Principal } from '../principal.ts';
import type { GeneratedSecret } from './generate-secret.ts';
import { insertKey } from './key-rows.ts';
import { type KeyWithCredential, keyView } from './key-view.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';

/** A validated new key. */
export interface KeyToIssue {
  /** Generated before the transaction: hashing must not extend the time of its locks. */
  secret: GeneratedSecret;
  description: string;
  internal: boolean;
  assignments: RoleAssignments;
  expiresAtMs: number | null;
  nowMs: number;
  action: Extract<AuditAction, `api_key.${string}`>;
}

/** Writes a new key and its audit event. The caller has checked every rule. */
export async function issueKey(
  transaction: Queries,
  deps: LifecycleDeps,
  principal: Principal,
  { secret, ...key }: KeyToIssue,
): Promise<KeyWithCredential> {
  const { id, secretHash, secretTag, credential } = secret;
  const record = await insertKey(transaction, {
    id,
    organizationId: principal.organizationId,
    description: key.description,
    secretHash,
    secretTag,
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
  return { ...view, key: credential };
}
