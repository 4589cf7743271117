import { createHash, timingSafeEqual } from 'node:crypto';

/** The client authentication of a request. */
export interface ClientProof {
  /** Raw value of `X-Client-Authentication`. */
  secret: string | undefined;
  /** Whether the connection has a client certificate of a configured authority with a name of CLIENT_CERTIFICATE_NAMES. */
  certificate: boolean;
}

const digest = (text: string) => createHash('sha256').update(text).digest();

/**
 * Decides which keys a caller may use: an internal key requires valid client authentication, an external key requires
 * that there is none. A leaked internal key is therefore useless on customer-facing paths (protocol: internal and
 * external keys).
 */
export class ClientAuthentication {
  #accepted: readonly Buffer[];

  /** @param secrets all accepted shared secrets; several during a rotation */
  constructor(secrets: readonly string[]) {
    this.#accepted = secrets.map(digest);
  }

  /** Accepts these secrets from now on, and no others. */
  replace(secrets: readonly string[]): void {
    this.#accepted = secrets.map(digest);
  }

  /** Whether any shared secret is accepted. */
  get hasSecrets(): boolean {
    return this.#accepted.length > 0;
  }

  /** Whether this proof allows the use of an internal or external key. */
  allows(internal: boolean, proof: ClientProof): boolean {
    return internal ? this.isTrusted(proof) : proof.secret === undefined && !proof.certificate;
  }

  /** Whether the proof is valid. Takes the same time for every wrong secret. */
  isTrusted(proof: ClientProof): boolean {
    if (proof.certificate) return true;
    if (proof.secret === undefined) return false;
    const presented = digest(proof.secret);
    let matched = false;
    for (const accepted of this.#accepted) matched = timingSafeEqual(accepted, presented) || matched;
    return matched;
  }
}
