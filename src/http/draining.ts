import type { FastifyInstance } from 'fastify';

/**
 * Ends each connection with its response once the server closes. Without it, a client that keeps its connection open
 * after its last response delays the shutdown until the idle timeout.
 */
export function closeConnectionsAtShutdown(app: FastifyInstance): void {
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
  });
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (closing) reply.header('connection', 'close');
    done(null, payload);
  });
}
