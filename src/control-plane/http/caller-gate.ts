import type { FastifyRequest } from 'fastify';
import { credentialDigest } from '../../credential/digest.ts';
import type { Credential } from '../../credential/format.ts';
import { IamError } from '../../errors.ts';
import type { KeyAuthenticator } from '../../keys/key-authenticator.ts';
import { BoundedCache } from '../../lib/bounded-cache.ts';
import { RateWindow } from '../../lib/rate-window.ts';
import { type Caller, clientProof } from './caller.ts';

const MAX_KNOWN_CREDENTIALS = 10_000;

export interface CallerGateOptions {
  authenticator: KeyAuthenticator;
  /** Failed and unauthenticated requests per minute and address. */
  failuresPerMinute: number;
  /** Requests per minute of a credential; its organization has twice as many. Revocations have the same budget again. */
  callsPerMinute: number;
  now: () => number;
}

/**
 * Authenticates callers within their budgets. A failed request counts for its address before it costs a lookup or a hash.
 * A credential that has just authenticated does not depend on that count, so others at its address cannot block it.
 */
export class CallerGate {
  readonly #authenticator: KeyAuthenticator;
  readonly #failures: RateWindow;
  readonly #undecodable: RateWindow;
  readonly #calls: RateWindow;
  readonly #organizationCalls: RateWindow;
  readonly #revocations: RateWindow;
  /** Digests of credentials that authenticated within the last minutes. */
  readonly #known = new BoundedCache<string, true>({ maxEntries: MAX_KNOWN_CREDENTIALS, ttlMs: 600_000 });

  constructor({ authenticator, failuresPerMinute, callsPerMinute, now }: CallerGateOptions) {
    this.#authenticator = authenticator;
    this.#failures = new RateWindow({ max: failuresPerMinute, now });
    this.#undecodable = new RateWindow({ max: failuresPerMinute, now });
    this.#calls = new RateWindow({ max: callsPerMinute, now });
    // More than the budget of a key, so that one key cannot use it up.
    this.#organizationCalls = new RateWindow({ max: 2 * callsPerMinute, now });
    this.#revocations = new RateWindow({ max: callsPerMinute, now });
  }

  /** @throws {IamError} 401, or 429 beyond a budget; errors of the stores pass through */
  async authenticate(request: FastifyRequest): Promise<Caller> {
    const credential = this.#decode(request);
    const digest = credentialDigest(credential.id, credential.secret);
    const address = request.clientNetwork;
    const isKnown = this.#known.get(digest) !== undefined;
    if (!isKnown) assertWithin(this.#failures.take(address));
    try {
      const { loaded } = await this.#authenticator.authenticateCredential(credential, {
        client: clientProof(request),
        network: address,
      });
      this.#known.set(digest, true);
      if (!isKnown) this.#failures.refund(address);
      this.#assertWithinBudget(request, loaded.record);
      return { key: loaded.record, secret: credential.secret };
    } catch (error) {
      const failed = error instanceof IamError && error.uiam.status === 401;
      if (failed) this.#known.delete(digest);
      else if (!isKnown) this.#failures.refund(address);
      throw error;
    }
  }

  /** Counts a request that no credential authenticates; call it before the body is read. @throws {IamError} 429 beyond the budget of its address */
  countAnonymous(request: FastifyRequest): void {
    assertWithin(this.#undecodable.take(request.clientNetwork));
  }

  /** Separate from other failures: text that does not decode costs nothing and must not block real credentials. */
  #decode(request: FastifyRequest): Credential {
    try {
      return this.#authenticator.decode(request.headers.authorization);
    } catch (error) {
      this.countAnonymous(request);
      throw error;
    }
  }

  /** A revocation must not wait until a busy organization has budget again. */
  #assertWithinBudget(request: FastifyRequest, key: { id: string; organizationId: string }): void {
    const revokes = request.routeOptions.config.audit?.action === 'api_key.revoke';
    // Without a budget of the organization: a stolen key could use it up and so prevent its own revocation.
    if (revokes) {
      assertWithin(this.#revocations.take(key.id));
    } else {
      assertWithin(this.#calls.take(key.id));
      assertWithin(this.#organizationCalls.take(key.organizationId));
    }
  }
}

function assertWithin(retryAfterSeconds: number | undefined): void {
  if (retryAfterSeconds !== undefined) throw new IamError('RATE_LIMITED', { retryAfterSeconds });
}
