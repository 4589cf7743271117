import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** The URL of a server for clients on this machine, also if it listens on a random port. */
export function listeningUrl(app: FastifyInstance): string {
  const { port, address, family } = app.server.address() as AddressInfo;
  const scheme = 'setSecureContext' in app.server ? 'https' : 'http';
  const anywhere = address === '0.0.0.0' || address === '::';
  const host = anywhere ? '127.0.0.1' : address;
  return `${scheme}://${family === 'IPv6' && !anywhere ? `[${host}]` : host}:${port}`;
}
