import type { KeyAuthenticator } from '../keys/key-authenticator.ts';
import { StoreUnavailableError, type Tier } from '../keys/key-store.ts';
import { type AnswerCache, OwnAnswer } from './response-cache.ts';
import type { AuthenticationCall } from './authentication-call.ts';
import { IdentityWriter } from './identity.ts';
import { RequestReader } from './request-reader.ts';
import type { RightsResolver } from './permissions.ts';
import type { SharedAnswers } from './shared-responses.ts';

/** The JSON text of a 200, and the slowest place that was needed for it. */
export interface AuthenticationAnswer {
  body: string;
  tier: Tier;
}

/** What the service stands on. */
export interface AuthenticationServiceParts {
  authenticator: KeyAuthenticator;
  rights: RightsResolver;
  answers: AnswerCache;
  /** Answers of other pods; `undefined` without Redis. */
  sharedAnswers: SharedAnswers | undefined;
  /** Whether memory can tell of the key with this id, so that there is no need to ask other pods. */
  isKnownInMemory: (id: string) => boolean;
}

/** Validates a credential and tells what it may do in each project that was asked for. */
export class AuthenticationService {
  readonly #parts: AuthenticationServiceParts;
  readonly #requests = new RequestReader();
  readonly #identities = new IdentityWriter();

  constructor(parts: AuthenticationServiceParts) {
    this.#parts = parts;
  }

  /** The answer to a call that was answered before and whose answer is still right. @param digest `callDigest` */
  recall(digest: string): string | undefined {
    return this.#parts.answers.get(digest);
  }

  /**
   * Works the answer out.
   * @param digest `callDigest` of the call
   * @throws {IamError} 400, 401 or 403; errors of the stores pass through
   */
  async authenticate(call: AuthenticationCall, digest: string): Promise<AuthenticationAnswer> {
    try {
      return await this.#workOut(call, digest);
    } catch (error) {
      // A pod that has an answer from another one, and nothing else of the key, goes on without Postgres as well.
      const body = error instanceof StoreUnavailableError && this.#parts.answers.getUnconfirmed(digest);
      if (body) return { body, tier: 'memory' };
      throw error;
    }
  }

  async #workOut(call: AuthenticationCall, digest: string): Promise<AuthenticationAnswer> {
    const { authenticator, rights, answers, sharedAnswers, isKnownInMemory } = this.#parts;
    // A bad credential is told before a bad body: whoever has no key learns nothing about the service.
    const credential = authenticator.decode(call.authorization);
    if (sharedAnswers !== undefined && !isKnownInMemory(credential.id)) {
      const shared = await sharedAnswers.read(credential.id, digest, call.client);
      if (shared !== undefined) {
        answers.set(digest, shared);
        return { body: shared.body, tier: 'redis' };
      }
    }
    const request = this.#requests.read(call.rawQuery, call.body);
    const { held, goodUntilMs } = await authenticator.authenticateCredential(credential, call.client);
    const granted = await rights.of(held.record, request);
    const key = held.entry ?? held;
    const answer = new OwnAnswer(granted, this.#identities.write(held.record), key, goodUntilMs);
    const { body } = answer;
    answers.set(digest, answer);
    if (held.tier !== 'memory') void sharedAnswers?.store(digest, key, granted, body, goodUntilMs);
    return { body, tier: held.tier };
  }
}
