import { createHash, timingSafeEqual } from 'node:crypto';

/** What the caller showed of itself, beside the credential. */
export interface ClientProof {
  /** Raw value of `X-Client-Authentication`. */
  secret: string | undefined;
  /** The connection carries a client certificate that one of our authorities signed. */
  certificate: boolean;
}

const digest = (text: string) => createHash('sha256').update(text).digest();

/**
 * The rule that keeps a leaked internal key useless on customer-facing paths (protocol: internal and external keys):
 * an internal key needs client authentication, an external one must come without any.
 */
export class ClientAuthentication {
  readonly #accepted: readonly Buffer[];

  /** @param secrets shared secrets that are live at the moment; several while one is being rotated */
  constructor(secrets: readonly string[]) {
    this.#accepted = secrets.map(digest);
  }

  /** Whether a caller with this proof may use a key of this kind. */
  allows(internal: boolean, proof: ClientProof): boolean {
    return internal ? this.isTrusted(proof) : proof.secret === undefined && !proof.certificate;
  }

  /** Whether the caller proved to be one of ours. Takes the same time for every wrong secret. */
  isTrusted(proof: ClientProof): boolean {
    if (proof.certificate) return true;
    if (proof.secret === undefined) return false;
    const presented = digest(proof.secret);
    let matched = false;
    for (const accepted of this.#accepted) matched = timingSafeEqual(accepted, presented) || matched;
    return matched;
  }
}
