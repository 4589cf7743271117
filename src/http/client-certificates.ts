import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { CertificateNames } from '../lib/certificate-names.ts';

/**
 * Decides which connections have client authentication by certificate: an authority must have signed the certificate, and one of
 * its names must be in the list.
 */
export class ClientCertificates {
  readonly #names: CertificateNames;
  readonly #accepted = new WeakMap<Socket, boolean>();

  /** @param names each valid for `isCertificateName` */
  constructor(names: readonly string[]) {
    this.#names = new CertificateNames(names);
  }

  /** Whether the connection has client authentication. The first call decides; it must come right after the handshake. */
  accepts(socket: Socket): boolean {
    let accepted = this.#accepted.get(socket);
    if (accepted === undefined) {
      accepted = this.#hasListedName(socket as TLSSocket);
      this.#accepted.set(socket, accepted);
    }
    return accepted;
  }

  #hasListedName(socket: TLSSocket): boolean {
    // The names of a certificate prove nothing unless an authority has signed it.
    if (socket.authorized !== true) return false;
    return this.#names.hasAny(socket.getPeerX509Certificate()?.subjectAltName);
  }
}
