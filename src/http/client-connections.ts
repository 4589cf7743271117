import type { Socket } from 'node:net';
import fp from 'fastify-plugin';
import type { ClientCertificates } from './client-certificates.ts';
import type { ConnectionAges } from './connection-ages.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whether the connection has a client certificate that counts as client authentication (mTLS). */
    hasClientCertificate: boolean;
  }
}

/**
 * Adds `request.hasClientCertificate`, and ends each connection with a response once it is too old or the server closes. Without
 * the latter, a client that keeps its connection open after its last response delays the shutdown until the idle timeout.
 */
export const clientConnections = fp<{ certificates: ClientCertificates; ages: ConnectionAges }>(
  async (app, { certificates, ages }) => {
    app.server.on('setSecureContext' in app.server ? 'secureConnection' : 'connection', (socket: Socket) => {
      // At once: a client could present another certificate later (renegotiation).
      certificates.accepts(socket);
      ages.start(socket);
    });
    app.decorateRequest('hasClientCertificate', {
      getter() {
        const { socket } = this.raw;
        // Responses that Node or Fastify sends without hooks, such as 417, leave the connection open.
        return certificates.accepts(socket) && !ages.isEvaded(socket);
      },
    });

    let closing = false;
    app.addHook('preClose', async () => {
      closing = true;
    });
    app.addHook('onSend', (request, reply, payload, done) => {
      if (closing || ages.isOver(request.raw.socket)) reply.header('connection', 'close');
      done(null, payload);
    });
  },
  { name: 'client-connections' },
);
