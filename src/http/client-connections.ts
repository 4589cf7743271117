import fp from 'fastify-plugin';
import type { ClientCertificates } from './client-certificates.ts';
import type { NodeConnections } from './node-connections.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whether the connection has a client certificate that counts as client authentication (mTLS). */
    hasClientCertificate: boolean;
  }
}

/**
 * Adds `request.hasClientCertificate`, and ends each connection with a response once the server closes. Without that, a client that
 * keeps its connection open after its last response delays the shutdown until the idle timeout.
 */
export const clientConnections = fp<{ certificates: ClientCertificates; nodeConnections: NodeConnections }>(
  async (app, { certificates, nodeConnections }) => {
    app.decorateRequest('hasClientCertificate', {
      getter() {
        return certificates.accepts(this.raw.socket);
      },
    });
    app.addHook('preClose', async () => nodeConnections.close());
  },
  { name: 'client-connections' },
);
