import { IamError } from '../../errors.ts';
import { recordEvent } from '../audit/audit.ts';
import type { AuditAction } from '../audit/audit-event.ts';
import type { Principal } from '../principal.ts';
import { type Created, type CreateOptions, createKey } from './create-key.ts';
import { grantKey } from './grant-key.ts';
import type { RetryGuard } from './idempotency.ts';
import { checked, revokeKeysSchema } from './key-input.ts';
import { selectKey } from './key-rows.ts';
import { type KeyView, keyStatus, keyView, rfc3339 } from './key-view.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';
import { type KeyPage, listKeys } from './list-keys.ts';
import { type RevokeOptions, revokeKeys } from './revoke-keys.ts';
import { type RotateOptions, rotateKey } from './rotate-key.ts';

/**
 * The life of keys: what HTTP and the CLI both call. Every change and the event that tells of it are one
 * transaction; a change that was refused is an event too.
 */
export class KeyLifecycle {
  readonly #deps: LifecycleDeps;

  constructor(deps: LifecycleDeps) {
    this.#deps = deps;
  }

  create(principal: Principal, input: unknown, options?: CreateOptions): Promise<Created> {
    return this.#attempt(principal, 'api_key.create', undefined, () =>
      createKey(this.#deps, principal, input, options),
    );
  }

  /** @param input body of `_grant`, unchecked */
  grant(principal: Principal & { keyId: string }, input: unknown, retry?: RetryGuard): Promise<Created> {
    return this.#attempt(principal, 'api_key.grant', undefined, () =>
      grantKey(this.#deps, principal, input, retry),
    );
  }

  rotate(principal: Principal, id: string, input: unknown, options?: RotateOptions): Promise<Created> {
    return this.#attempt(principal, 'api_key.rotate', id, () =>
      rotateKey(this.#deps, principal, id, input, options),
    );
  }

  revoke(principal: Principal, id: string, options?: RevokeOptions): Promise<void> {
    return this.#attempt(principal, 'api_key.revoke', id, () =>
      revokeKeys(this.#deps, principal, [id], options),
    );
  }

  /** @param input `{keys: [id, …]}`, unchecked */
  revokeMany(principal: Principal, input: unknown, options?: RevokeOptions): Promise<void> {
    return this.#attempt(principal, 'api_key.revoke', undefined, () =>
      revokeKeys(this.#deps, principal, [...new Set(checked(revokeKeysSchema, input).keys)], options),
    );
  }

  list(organizationId: string, query: unknown): Promise<KeyPage> {
    return listKeys(this.#deps.database, organizationId, query, this.#deps.now());
  }

  /**
   * @param includeRevoked a revoked key is not found otherwise, as in Elastic Cloud
   * @throws {IamError} `api_keys.key_not_found`
   */
  async show(organizationId: string, id: string, includeRevoked: boolean): Promise<KeyView> {
    const record = await selectKey(this.#deps.database, organizationId, id);
    if (record === undefined) throw new IamError('KEY_NOT_FOUND');
    const nowMs = this.#deps.now();
    if (record.revokedAtMs !== null && keyStatus(record, nowMs) === 'revoked' && !includeRevoked) {
      throw new IamError('KEY_NOT_FOUND', {
        message: `The API key was revoked at ${rfc3339(record.revokedAtMs)}; add ?status=all to see it.`,
      });
    }
    return keyView(record, nowMs);
  }

  async #attempt<Result>(
    principal: Principal,
    action: AuditAction,
    targetId: string | undefined,
    work: () => Promise<Result>,
  ): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof IamError)
        await recordRefusal(this.#deps, principal, action, 'api_key', targetId, error);
      throw error;
    }
  }
}

/** Puts a refused attempt on record. */
export async function recordRefusal(
  deps: Pick<LifecycleDeps, 'database'>,
  principal: Principal,
  action: AuditAction,
  targetType: 'api_key' | 'role',
  targetId: string | undefined,
  error: IamError,
): Promise<void> {
  await recordEvent(deps.database, {
    organizationId: principal.organizationId,
    actor: principal.actor,
    action,
    outcome: 'failure',
    targetType,
    // An id out of a URL that was not found can be any text, also one that cannot be stored.
    targetId: targetId?.slice(0, 512).replaceAll('\0', '').toWellFormed(),
    reason: error.cloud.code,
  });
}
