import fp from 'fastify-plugin';
import type { ClientAddresses } from './client-addresses.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Address of the sender, also behind a trusted proxy. */
    senderAddress: string;
    /** The network of the sender: what limits count by. */
    senderNetwork: string;
  }
}

/** Adds `request.senderAddress` and `request.senderNetwork`. */
export const senderAddress = fp<{ addresses: ClientAddresses }>(
  async (app, { addresses }) => {
    app.decorateRequest('senderAddress', {
      getter() {
        return addresses.addressOf(addresses.peerOf(this.raw.socket), this.headers['x-forwarded-for']);
      },
    });
    app.decorateRequest('senderNetwork', {
      getter() {
        return addresses.networkOf(addresses.peerOf(this.raw.socket), this.headers['x-forwarded-for']);
      },
    });
  },
  { name: 'sender-address' },
);
