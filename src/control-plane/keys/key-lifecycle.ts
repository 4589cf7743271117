import { IamError } from '../../errors.ts';
import { parseInput } from '../input.ts';
import type { Principal } from '../principal.ts';
import { type CreateOptions, createKey, type IssuedKey } from './create-key.ts';
import { grantKey } from './grant-key.ts';
import type { RetryGuard } from './idempotency.ts';
import { selectKey } from './key-rows.ts';
import { type KeyView, keyStatus, keyView, rfc3339 } from './key-view.ts';
import type { LifecycleDeps } from './lifecycle-deps.ts';
import { type KeyPage, listKeys } from './list-keys.ts';
import { type RevokeOptions, revokeKeys, revokeKeysSchema } from './revoke-keys.ts';
import { type RotateOptions, rotateKey } from './rotate-key.ts';

/**
 * All operations on keys; HTTP and the CLI both call it. A change and its audit event are one transaction. The
 * callers record refused attempts, which they know more about.
 */
export class KeyLifecycle {
  readonly #deps: LifecycleDeps;

  constructor(deps: LifecycleDeps) {
    this.#deps = deps;
  }

  /** @param input body of `POST /users/auth/keys`, unvalidated */
  create(principal: Principal, input: unknown, options?: CreateOptions): Promise<IssuedKey> {
    return createKey(this.#deps, principal, input, options);
  }

  /** @param input body of `_grant`, unvalidated */
  grant(principal: Principal & { keyId: string }, input: unknown, retry?: RetryGuard): Promise<IssuedKey> {
    return grantKey(this.#deps, principal, input, retry);
  }

  /** @param input body of `_rotate`, unvalidated */
  rotate(principal: Principal, id: string, input: unknown, options?: RotateOptions): Promise<IssuedKey> {
    return rotateKey(this.#deps, principal, id, input, options);
  }

  revoke(principal: Principal, id: string, options?: RevokeOptions): Promise<void> {
    return revokeKeys(this.#deps, principal, [id], options);
  }

  /** @param input `{keys: [id, …]}`, unvalidated */
  async revokeMany(principal: Principal, input: unknown, options?: RevokeOptions): Promise<void> {
    const ids = new Set(parseInput(revokeKeysSchema, input).keys);
    return revokeKeys(this.#deps, principal, [...ids], options);
  }

  /** @param query unvalidated */
  list(organizationId: string, query: unknown): Promise<KeyPage> {
    return listKeys(this.#deps.database.of(organizationId), organizationId, query, this.#deps.now());
  }

  /**
   * @param includeRevoked otherwise a revoked key is not found, as in Elastic Cloud
   * @throws {IamError} `api_keys.key_not_found`
   */
  async show(organizationId: string, id: string, includeRevoked: boolean): Promise<KeyView> {
    const record = await selectKey(this.#deps.database.of(organizationId), organizationId, id);
    if (record === undefined) throw new IamError('KEY_NOT_FOUND');
    const nowMs = this.#deps.now();
    if (record.revokedAtMs !== null && keyStatus(record, nowMs) === 'revoked' && !includeRevoked) {
      throw new IamError('KEY_NOT_FOUND', {
        message: `The API key was revoked at ${rfc3339(record.revokedAtMs)}. Add ?status=all to see it.`,
      });
    }
    return keyView(record, nowMs);
  }
}
