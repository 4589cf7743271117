import type { KeyAuthenticator } from '../keys/key-authenticator.ts';
import { StoreUnavailableError, type Tier } from '../keys/key-store.ts';
import type { AuthenticationCall } from './authentication-call.ts';
import { IdentityWriter } from './identity.ts';
import type { PermissionsResolver } from './permissions.ts';
import { RequestReader } from './request-reader.ts';
import { LocalResponse, type ResponseCache } from './response-cache.ts';
import type { SharedResponses } from './shared-responses.ts';

/** The JSON text of a 200, and the slowest place that was needed for it. */
export interface AuthenticationResponse {
  body: string;
  tier: Tier;
}

/** What the service stands on. */
export interface AuthenticationServiceDeps {
  authenticator: KeyAuthenticator;
  permissions: PermissionsResolver;
  answers: ResponseCache;
  /** Answers of other pods; `undefined` without Redis. */
  sharedResponses: SharedResponses | undefined;
  /** Whether memory can tell of the key with this id, so that there is no need to ask other pods. */
  isKnownInMemory: (id: string) => boolean;
}

/** Validates a credential and tells what it may do in each project that was asked for. */
export class AuthenticationService {
  readonly #deps: AuthenticationServiceDeps;
  readonly #requests = new RequestReader();
  readonly #identities = new IdentityWriter();

  constructor(deps: AuthenticationServiceDeps) {
    this.#deps = deps;
  }

  /** The answer to a call that was answered before and whose answer is still right. @param digest `callDigest` */
  recall(digest: string): string | undefined {
    return this.#deps.answers.get(digest);
  }

  /**
   * Works the answer out.
   * @param digest `callDigest` of the call
   * @throws {IamError} 400, 401 or 403; errors of the stores pass through
   */
  async authenticate(call: AuthenticationCall, digest: string): Promise<AuthenticationResponse> {
    try {
      return await this.#workOut(call, digest);
    } catch (error) {
      // A pod that has an answer from another one, and nothing else of the key, goes on without Postgres as well.
      const body = error instanceof StoreUnavailableError && this.#deps.answers.getUnconfirmed(digest);
      if (body) return { body, tier: 'memory' };
      throw error;
    }
  }

  async #workOut(call: AuthenticationCall, digest: string): Promise<AuthenticationResponse> {
    const { authenticator, permissions, answers, sharedResponses, isKnownInMemory } = this.#deps;
    // A bad credential is told before a bad body: whoever has no key learns nothing about the service.
    const credential = authenticator.decode(call.authorization);
    if (sharedResponses !== undefined && !isKnownInMemory(credential.id)) {
      const shared = await sharedResponses.read(credential.id, digest, call.client);
      if (shared !== undefined) {
        answers.set(digest, shared);
        return { body: shared.body, tier: 'redis' };
      }
    }
    const request = this.#requests.read(call.rawQuery, call.body);
    const { loaded, validUntilMs } = await authenticator.authenticateCredential(credential, call.client);
    const granted = await permissions.of(loaded.record, request);
    const key = loaded.entry ?? loaded;
    const answer = new LocalResponse(granted, this.#identities.write(loaded.record), key, validUntilMs);
    const { body } = answer;
    answers.set(digest, answer);
    if (loaded.tier !== 'memory') void sharedResponses?.store(digest, key, granted, body, validUntilMs);
    return { body, tier: loaded.tier };
  }
}
