import fp from 'fastify-plugin';
import { CLIENT_ADDRESS_HEADER, FORWARDING_SECRET_HEADER } from '../../http/forwarding-headers.ts';
import { ClientAuthentication } from '../../keys/client-authentication.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Address of the client: its own, also behind a region that forwards, or behind a trusted proxy. */
    clientAddress: string;
  }
}

/**
 * Sets `request.clientAddress`. A region states the address of its client, and proves with a shared secret that it is a
 * region. Nobody else can choose an address.
 */
export const clientAddress = fp<{ forwardingSecrets: readonly string[] }>(
  async (app, { forwardingSecrets }) => {
    const regions = new ClientAuthentication(forwardingSecrets);
    app.decorateRequest('clientAddress', '');
    app.addHook('onRequest', async (request) => {
      const { [FORWARDING_SECRET_HEADER]: secret, [CLIENT_ADDRESS_HEADER]: address } = request.headers;
      const isRegion = typeof secret === 'string' && regions.isTrusted({ secret, certificate: false });
      request.clientAddress = isRegion && typeof address === 'string' ? address : request.ip;
    });
  },
  { name: 'client-address' },
);
