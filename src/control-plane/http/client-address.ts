import fp from 'fastify-plugin';
import type { Logger } from 'pino';
import { clientNetwork } from '../../http/client-network.ts';
import { CLIENT_ADDRESS_HEADER, FORWARDING_SECRET_HEADER } from '../../http/forwarding-headers.ts';
import type { ClientAuthentication } from '../../keys/client-authentication.ts';
import { LogLimiter } from '../../lib/log-limiter.ts';

/** Whether the control plane accepts the secret of a region. */
export type ForwardedResult = 'accepted' | 'refused';

interface ClientAddressOptions {
  /** Accepts FORWARDING_SECRETS. */
  regions: ClientAuthentication;
  /** Called for each call of a region. */
  onForwarded: (result: ForwardedResult) => void;
  logger: Logger;
}

/** A wrong secret affects every call, so it is reported at this interval. */
const REPORT_INTERVAL_MS = 60_000;

declare module 'fastify' {
  interface FastifyRequest {
    /** Address of the client: its own, also behind a region that forwards, or behind a trusted proxy. */
    clientAddress: string;
    /** What limits count by. */
    clientNetwork: string;
    /** Whether a region sent the request: it has a secret of FORWARDING_SECRETS. */
    isRegion: boolean;
  }
}

/**
 * Sets `request.clientAddress` and `request.clientNetwork`. A region states the address of its client, and proves with a shared secret that it is a
 * region. Nobody else can choose an address.
 */
export const clientAddress = fp<ClientAddressOptions>(
  async (app, { regions, onForwarded, logger }) => {
    const limiter = new LogLimiter(Date.now, REPORT_INTERVAL_MS);
    app.decorateRequest('clientAddress', '');
    app.decorateRequest('clientNetwork', '');
    app.decorateRequest('isRegion', false);
    app.addHook('onRequest', async (request) => {
      const { [FORWARDING_SECRET_HEADER]: secret, [CLIENT_ADDRESS_HEADER]: address } = request.headers;
      const isRegion = typeof secret === 'string' && regions.isTrusted({ secret, certificate: false });
      if (secret !== undefined) onForwarded(isRegion ? 'accepted' : 'refused');
      if (secret !== undefined && !isRegion && limiter.admit(request.senderNetwork) !== undefined) {
        logger.warn(
          { client: { ip: request.senderAddress } },
          'FORWARDING_SECRETS does not contain the secret of a region; all its clients count as one address',
        );
      }
      request.isRegion = isRegion;
      request.clientAddress = isRegion && typeof address === 'string' ? address : request.senderAddress;
      request.clientNetwork = clientNetwork(request.clientAddress);
    });
  },
  { name: 'client-address', dependencies: ['sender-address'] },
);
