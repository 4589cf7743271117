import { IamError } from '../errors.ts';
import type { ResponseBody, ResponseBudget } from '../http/response-budget.ts';
import type { KeyAuthenticator } from '../keys/key-authenticator.ts';
import { StoreUnavailableError, type Tier } from '../keys/key-store.ts';
import type { AuthenticationCall } from './authentication-call.ts';
import { wantsToken } from './authentication-request.ts';
import type { PermissionsResolver } from './permissions.ts';
import { RequestReader } from './request-reader.ts';
import { LocalResponse, type ResponseCache } from './response-cache.ts';
import { IdentityWriter, responseTooLarge } from './response-writer.ts';
import type { SharedResponses } from './shared-responses.ts';

/** The body of a 200 (JSON) and the slowest tier that was needed for it. The caller releases a long body. */
export interface AuthenticationResponse {
  body: ResponseBody;
  tier: Tier;
}

export interface AuthenticationServiceDeps {
  authenticator: KeyAuthenticator;
  permissions: PermissionsResolver;
  responses: ResponseCache;
  budget: ResponseBudget;
  /** Estimated size of the cache of parsed requests. */
  requestCacheBytes: number;
  /** Maximum size of a body, in bytes. */
  maxBytes: number;
  /** Responses of other pods; `undefined` without Redis. */
  sharedResponses: SharedResponses | undefined;
  /** Whether the memory tier has the key with this id, so that a lookup in Redis is unnecessary. */
  isKeyInMemory: (id: string) => boolean;
  /** @throws {IamError} 503 if the region cannot confirm its row of the key */
  assertConfirmed: (id: string) => void;
  /** Whether lookups reach the replica. */
  isReplicaAvailable: () => boolean;
  /** Whether the replica is older than the operator allows, so that no credential is accepted. */
  isReplicationTooOld: () => boolean;
}

/**
 * Authenticates a credential and resolves its permissions in the requested projects. Callers try `lookup` first, then
 * `authenticate`.
 */
export class AuthenticationService {
  readonly #deps: AuthenticationServiceDeps;
  readonly #requests: RequestReader;
  readonly #identities = new IdentityWriter();

  constructor(deps: AuthenticationServiceDeps) {
    this.#deps = deps;
    this.#requests = new RequestReader(deps.requestCacheBytes);
  }

  /**
   * Refuses a call before its body is read, if its head cannot lead to 200.
   * @throws {IamError} the error that `authenticate` throws for such a call
   */
  assertHead(authorization: string | undefined, certificate: boolean): void {
    if (this.#deps.isReplicationTooOld()) throw new IamError('REPLICATION_TOO_OLD');
    // Whether the caller requests a token decides the refusal of a call with a certificate and without a credential.
    if (authorization || !certificate) this.#deps.authenticator.decode(authorization);
  }

  /** The body of a cached, fresh response, if the budget has space for it. @param digest `callDigest` of the call */
  lookup(digest: string): ResponseBody | undefined {
    const { isReplicationTooOld, responses, budget } = this.#deps;
    const cached = isReplicationTooOld() ? undefined : responses.get(digest);
    if (cached === undefined) return undefined;
    return budget.tryAdmit(cached.body, cached.organizationId);
  }

  /**
   * @param digest `callDigest` of the call
   * @throws {IamError} 400, 401, 403, or 503 beyond the budget; errors of the stores pass through
   */
  async authenticate(call: AuthenticationCall, digest: string): Promise<AuthenticationResponse> {
    if (this.#deps.isReplicationTooOld()) throw new IamError('REPLICATION_TOO_OLD');
    try {
      return await this.#resolve(call, digest);
    } catch (error) {
      const response = error instanceof StoreUnavailableError ? await this.#unconfirmed(digest) : undefined;
      if (response === undefined) throw error;
      return response;
    }
  }

  /** The response that this pod sent before, or that another pod stored: it needs no key record in memory. */
  async #unconfirmed(digest: string): Promise<AuthenticationResponse | undefined> {
    const cached = await this.#deps.responses.getUnconfirmed(digest);
    return cached === undefined
      ? undefined
      : { body: this.#deps.budget.admit(cached.body, cached.organizationId), tier: 'memory' };
  }

  async #resolve(call: AuthenticationCall, digest: string): Promise<AuthenticationResponse> {
    const { authenticator, permissions, responses, sharedResponses, budget, maxBytes } = this.#deps;
    const { isKeyInMemory, isReplicaAvailable, assertConfirmed } = this.#deps;
    const { generation } = responses;
    this.#refuseTokenRequest(call);
    const credential = authenticator.decode(call.authorization);
    assertConfirmed(credential.id);
    // One check of the fences for the whole response, instead of one for the key and another for its roles.
    const unconfirmed = isReplicaAvailable() ? undefined : await this.#unconfirmed(digest);
    if (unconfirmed !== undefined) return unconfirmed;
    if (sharedResponses !== undefined && !isKeyInMemory(credential.id)) {
      const shared = await sharedResponses.read(credential.id, digest, call.client);
      if (shared !== undefined) {
        responses.set(digest, shared, generation);
        return { body: budget.admit(shared.body, shared.organizationId), tier: 'redis' };
      }
    }
    const { loaded, validUntilMs } = await authenticator.authenticateCredential(credential, call);
    // Not before: a caller without a key must neither learn about the service nor make it parse bodies.
    const request = this.#requests.read(call.rawQuery, call.body, loaded.record.organizationId);
    const granted = await permissions.resolve(loaded.record, request);
    const key = loaded.entry ?? loaded;
    const response = new LocalResponse(granted, this.#identities.write(loaded.record), key, validUntilMs);
    const { body } = response;
    if (body.length > maxBytes) throw responseTooLarge(maxBytes);
    responses.set(digest, response, generation);
    if (loaded.tier !== 'memory') sharedResponses?.store(digest, key, granted, body, validUntilMs);
    return { body: budget.admit(body, response.organizationId), tier: loaded.tier };
  }

  /**
   * Services that hold a client certificate call without `Authorization` to get a token (protocol: newer facts). Their
   * credential is not at fault, so the refusal is not a 401.
   */
  #refuseTokenRequest({ authorization, client, rawQuery }: AuthenticationCall): void {
    if (authorization || !client.certificate) return;
    if (wantsToken(rawQuery)) throw new IamError('TOKENS_NOT_SUPPORTED');
  }
}
