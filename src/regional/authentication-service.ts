import type { KeyAuthenticator, PresentedCredential } from '../http/key-authenticator.ts';
import { writeAnswer } from './answer.ts';
import { parseAuthenticationRequest } from './authentication-request.ts';
import { nothingGranted } from './denial.ts';
import type { ResolvedContext, RoleResolver } from './role-resolver.ts';

/** One call to `_authenticate`, as it came over the wire. */
export interface AuthenticationCall extends PresentedCredential {
  /** Parsed query string. */
  query: unknown;
  /** Raw body; `undefined` when there is none. */
  body: Uint8Array | undefined;
}

/** Validates a credential and tells what it may do in each project that was asked for. */
export class AuthenticationService {
  readonly #authenticator: KeyAuthenticator;
  readonly #resolver: RoleResolver;

  constructor(authenticator: KeyAuthenticator, resolver: RoleResolver) {
    this.#authenticator = authenticator;
    this.#resolver = resolver;
  }

  /**
   * @returns the JSON text of a 200
   * @throws {IamError} 400, 401 or 403; errors of the stores pass through
   */
  async authenticate(call: AuthenticationCall): Promise<string> {
    // A bad credential is told before a bad body: whoever has no key learns nothing about the service.
    this.#authenticator.decode(call.authorization);
    const request = parseAuthenticationRequest(call.query, call.body);
    const record = await this.#authenticator.authenticate(call);
    const resolved = await Promise.all(
      (request.contexts ?? []).map((context) => this.#resolver.resolve(record, context)),
    );
    const { granted, denied } = partition(resolved);
    if (denied.length > 0 && granted.length === 0) throw nothingGranted(denied);
    return writeAnswer(record, request, granted, denied);
  }
}

function partition(resolved: readonly ResolvedContext[]) {
  return {
    granted: resolved.filter((one) => one.granted),
    denied: resolved.filter((one) => !one.granted),
  };
}
