import { credentialDigest } from '../credential/digest.ts';
import type { Credential } from '../credential/format.ts';
import { secretTag } from '../credential/secret-tag.ts';
import { IamError } from '../errors.ts';
import { decodeAuthorization } from './authorization-header.ts';
import type { ClientAuthentication, ClientProof } from './client-authentication.ts';
import type { HasPassed } from './expiry.ts';
import type { KeyRecord } from './key-record.ts';
import { type KeyStore, type LoadedKey, StoreUnavailableError } from './key-store.ts';
import type { IsGone, SecretMatch, SecretVerifier } from './secret-verifier.ts';

/** Attempts to authenticate with a key that changes during each attempt. */
const MAX_ATTEMPTS = 5;

/** The parts of a request that authenticate it. */
export interface PresentedCredential {
  /** Raw `Authorization` header. */
  authorization: string | undefined;
  client: ClientProof;
  /** The network of the client (`clientNetwork`). Limits count by it; it does not decide the response. */
  network: string;
  /** Default: the caller stays. */
  isGone?: IsGone;
}

/** A key whose credential is valid for this caller, now. */
export interface AuthenticatedKey {
  loaded: LoadedKey;
  /** When the key expires, or the grace period of the presented secret ends if that is earlier; may be infinite. */
  validUntilMs: number;
}

/** Dependencies of the authenticator. */
export interface KeyAuthenticatorDeps {
  acceptedPrefixes: readonly string[];
  keys: KeyStore;
  secrets: SecretVerifier;
  clientAuthentication: ClientAuthentication;
  hasPassed: HasPassed;
  /** Whether the store may lack keys that exist, so that an unknown key is no reason for a 401. */
  mayLackKeys?: () => boolean;
}

/**
 * Authenticates keys for both servers.
 *
 * The order of checks is part of the protocol. Damaged input reaches neither a database nor argon2. Only a caller with
 * the right secret learns that a key is expired or revoked, or that its client authentication is wrong.
 */
export class KeyAuthenticator {
  readonly #deps: KeyAuthenticatorDeps;

  constructor(deps: KeyAuthenticatorDeps) {
    this.#deps = deps;
  }

  /**
   * @throws {IamError} 401 for an invalid credential; errors of the stores pass through and become 503
   */
  async authenticate(presented: PresentedCredential): Promise<AuthenticatedKey> {
    return await this.authenticateCredential(this.decode(presented.authorization), presented);
  }

  /** `authenticate` with a decoded credential. */
  async authenticateCredential(
    credential: Credential,
    { client, network, isGone }: Omit<PresentedCredential, 'authorization'>,
  ): Promise<AuthenticatedKey> {
    const authenticated = await this.#prove(credential, network, isGone);
    const { record } = authenticated.loaded;
    if (record.revokedAtMs !== null) throw new IamError('API_KEY_REVOKED', { resource: record.id });
    if (record.expiresAtMs !== null && this.#hasPassed(record.expiresAtMs)) {
      throw new IamError('API_KEY_EXPIRED', { resource: record.id });
    }
    if (!this.#deps.clientAuthentication.allows(record.internal, client)) {
      throw new IamError('CLIENT_AUTHENTICATION', {
        resource: record.id,
        message: clientRule(record.internal),
      });
    }
    return authenticated;
  }

  /** Decodes the credential of an `Authorization` header. @throws {IamError} 401 with the reason */
  decode(authorization: string | undefined): Credential {
    return decodeAuthorization(authorization, this.#deps.acceptedPrefixes);
  }

  /**
   * Loads the key and verifies the secret. If the key changes during the comparison, its result does not count and the
   * authenticator starts again.
   */
  async #prove(credential: Credential, network: string, isGone?: IsGone): Promise<AuthenticatedKey> {
    const { keys, secrets } = this.#deps;
    const digest = credentialDigest(credential.id, credential.secret);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const loaded = await keys.get({ id: credential.id, digest });
      if (loaded === undefined) {
        // The work of a wrong secret, so that the time does not tell an unknown id from a known one.
        secretTag(credential.id, credential.secret);
        throw this.#missing();
      }
      const match = await secrets.match(loaded, credential.secret, digest, network, isGone);
      if (loaded.superseded) continue;
      const matches = match === 'current' || (match === 'previous' && !this.#graceIsOver(loaded.record));
      if (!matches) throw this.#missing();
      return { loaded, validUntilMs: validUntilMs(loaded.record, match) };
    }
    throw new StoreUnavailableError('A key with continuous changes');
  }

  /** The same for an unknown id and a wrong secret, so that a caller without the secret learns no ids. */
  #missing(): IamError {
    return new IamError(this.#deps.mayLackKeys?.() ? 'REPLICA_INCOMPLETE' : 'API_KEY_MISSING');
  }

  #graceIsOver({ previousSecretExpiresAtMs }: KeyRecord): boolean {
    return previousSecretExpiresAtMs === null || this.#hasPassed(previousSecretExpiresAtMs);
  }

  /** @throws {IamError} 503 if the clocks disagree: the key may be valid */
  #hasPassed(atMs: number): boolean {
    const passed = this.#deps.hasPassed(atMs);
    if (passed === undefined) throw new IamError('EXPIRY_UNDECIDABLE');
    return passed;
  }
}

/** The time at which this authentication expires without any change. */
function validUntilMs(record: KeyRecord, match: SecretMatch): number {
  const expiresAtMs = record.expiresAtMs ?? Number.POSITIVE_INFINITY;
  return match === 'previous' ? Math.min(expiresAtMs, record.previousSecretExpiresAtMs ?? 0) : expiresAtMs;
}

function clientRule(internal: boolean): string {
  return internal
    ? 'This API key is internal: it is accepted only with client authentication (X-Client-Authentication or a client certificate) that is valid.'
    : 'This API key is external: it is accepted only without client authentication.';
}
