import type { KeyAuthenticator } from '../http/key-authenticator.ts';
import type { Tier } from '../keys/key-store.ts';
import { writeAnswer } from './answer.ts';
import type { AnswerCache } from './answer-cache.ts';
import { type AuthenticationCall, callDigest } from './authentication-call.ts';
import { parseAuthenticationRequest } from './authentication-request.ts';
import { nothingGranted } from './denial.ts';
import type { ResolvedContext, RoleResolver } from './role-resolver.ts';

/** The JSON text of a 200, and the slowest place that was needed for it. */
export interface AuthenticationAnswer {
  body: string;
  tier: Tier;
}

/** Validates a credential and tells what it may do in each project that was asked for. */
export class AuthenticationService {
  readonly #authenticator: KeyAuthenticator;
  readonly #resolver: RoleResolver;
  readonly #answers: AnswerCache;

  constructor(authenticator: KeyAuthenticator, resolver: RoleResolver, answers: AnswerCache) {
    this.#authenticator = authenticator;
    this.#resolver = resolver;
    this.#answers = answers;
  }

  /** @throws {IamError} 400, 401 or 403; errors of the stores pass through */
  async authenticate(call: AuthenticationCall): Promise<AuthenticationAnswer> {
    const digest = callDigest(call);
    const remembered = this.#answers.get(digest);
    if (remembered !== undefined) return { body: remembered, tier: 'memory' };

    // A bad credential is told before a bad body: whoever has no key learns nothing about the service.
    this.#authenticator.decode(call.authorization);
    const request = parseAuthenticationRequest(call.rawQuery, call.body);
    const { held, goodUntilMs } = await this.#authenticator.authenticate(call);
    const resolved = await Promise.all(
      (request.contexts ?? []).map((context) => this.#resolver.resolve(held.record, context)),
    );
    const { granted, denied } = partition(resolved);
    if (denied.length > 0 && granted.length === 0) throw nothingGranted(denied);
    const text = writeAnswer(held.record, request, granted, denied);
    this.#answers.set(digest, { ...text, key: held, roles: basisOf(resolved), goodUntilMs });
    return { body: text.shared + text.own, tier: held.tier };
  }
}

function partition(resolved: readonly ResolvedContext[]) {
  return {
    granted: resolved.filter((one) => one.granted),
    denied: resolved.filter((one) => !one.granted),
  };
}

/** Each set of role definitions once, however many contexts share it. */
function basisOf(resolved: readonly ResolvedContext[]) {
  return [...new Set(resolved.flatMap((one) => one.basis))];
}
