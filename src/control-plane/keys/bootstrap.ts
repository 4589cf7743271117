import { randomUUID } from 'node:crypto';
import { IamError } from '../../errors.ts';
import { unstorable } from '../input.ts';
import { OWNER_ROLE_ID } from '../organizations/assignment-scope.ts';
import { createOrganization } from '../organizations/organizations.ts';
import type { Actor } from '../principal.ts';
import { DEFAULT_TTL_MS } from './durations.ts';
import { generateSecret } from './generate-secret.ts';
import { issueKey } from './issue-key.ts';
import type { KeyWithCredential } from './key-view.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';

const DEFAULT_KEY_QUOTA = 500;
const ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

export interface BootstrapOptions {
  /** Default: a random UUID. */
  organizationId?: string | undefined;
  name?: string | undefined;
  keyQuota?: number | undefined;
  /** TTL of the owner key; `null` means that it never expires. Default: 90 days. */
  ttlMs?: number | null | undefined;
}

/**
 * Creates an organization and its first owner key, in one transaction.
 * @throws {IamError} when an organization with that id exists
 */
export async function bootstrap(
  deps: LifecycleDeps,
  actor: Actor,
  options: BootstrapOptions = {},
): Promise<{ organizationId: string; key: KeyWithCredential }> {
  const organizationId = options.organizationId ?? randomUUID();
  const name = options.name ?? organizationId;
  const keyQuota = options.keyQuota ?? DEFAULT_KEY_QUOTA;
  if (!ID.test(organizationId))
    throw invalid(
      'organization',
      'must start with a letter or digit and have at most 128 letters, digits, "_", "-" and "."',
    );
  if (name === '' || unstorable(name).length > 0)
    throw invalid('name', 'must be a non-empty text that can be stored');
  const nowMs = deps.now();
  const ttlMs = options.ttlMs === undefined ? DEFAULT_TTL_MS : options.ttlMs;
  const secret = await generateSecret(deps);
  const key = await deps.database.transaction(async (transaction) => {
    await createOrganization(transaction, actor, { id: organizationId, name, keyQuota });
    const principal = { actor, organizationId, userId: actor.id };
    return issueKey(transaction, deps, principal, {
      secret,
      description: 'First owner key',
      internal: false,
      assignments: { organization: [{ role_id: OWNER_ROLE_ID, organization_id: organizationId }] },
      expiresAtMs: ttlMs === null ? null : nowMs + ttlMs,
      nowMs,
      action: 'api_key.create',
    });
  });
  return { organizationId, key };
}

function invalid(field: string, message: string): IamError {
  return new IamError('INVALID_INPUT', { message: `${field}: ${message}`, fields: [field] });
}
