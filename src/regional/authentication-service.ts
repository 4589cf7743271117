import type { KeyAuthenticator } from '../http/key-authenticator.ts';
import type { Tier } from '../keys/key-store.ts';
import { writeIdentity } from './answer.ts';
import type { AnswerCache } from './answer-cache.ts';
import type { AuthenticationCall } from './authentication-call.ts';
import { RequestReader } from './request-reader.ts';
import type { RightsResolver } from './rights.ts';

/** The JSON text of a 200, and the slowest place that was needed for it. */
export interface AuthenticationAnswer {
  body: string;
  tier: Tier;
}

/** Validates a credential and tells what it may do in each project that was asked for. */
export class AuthenticationService {
  readonly #authenticator: KeyAuthenticator;
  readonly #rights: RightsResolver;
  readonly #answers: AnswerCache;
  readonly #requests = new RequestReader();

  constructor(authenticator: KeyAuthenticator, rights: RightsResolver, answers: AnswerCache) {
    this.#authenticator = authenticator;
    this.#rights = rights;
    this.#answers = answers;
  }

  /** The answer to a call that was answered before and whose answer is still right. @param digest `callDigest` */
  recall(digest: string): string | undefined {
    return this.#answers.get(digest);
  }

  /**
   * Works the answer out.
   * @param digest `callDigest` of the call
   * @throws {IamError} 400, 401 or 403; errors of the stores pass through
   */
  async authenticate(call: AuthenticationCall, digest: string): Promise<AuthenticationAnswer> {
    // A bad credential is told before a bad body: whoever has no key learns nothing about the service.
    const credential = this.#authenticator.decode(call.authorization);
    const request = this.#requests.read(call.rawQuery, call.body);
    const { held, goodUntilMs } = await this.#authenticator.authenticateCredential(credential, call.client);
    const rights = await this.#rights.of(held.record, request);
    const identity = writeIdentity(held.record);
    this.#answers.set(digest, { rights, identity: flat(identity), key: held.entry ?? held, goodUntilMs });
    return { body: rights.text + identity, tier: held.tier };
  }
}

/** A string in one piece: one that was put together keeps its pieces in memory, too. */
function flat(ascii: string): string {
  return Buffer.from(ascii, 'latin1').toString('latin1');
}
