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

/** Settings of a port, and why a process may not have it. */
const PORT_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process uses this port',
  EACCES: 'this process may not use this port',
  EADDRNOTAVAIL: 'this machine does not have the address of HOST or MANAGEMENT_HOST',
};

/** Listens on a port. @param setting that contains the port, for the error */
export async function listenOn(
  app: FastifyInstance,
  host: string,
  port: number,
  setting: string,
): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    const problem = PORT_PROBLEMS[String((error as NodeJS.ErrnoException).code)];
    if (problem === undefined) throw error;
    throw new Error(`${setting}: ${problem} (${host}:${port})`, { cause: error });
  }
}
