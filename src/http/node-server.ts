import type { RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Server, Socket } from 'node:net';
import type { FastifyServerOptions } from 'fastify';
import { createServer } from './node-http.ts';
import type { Traffic } from './traffic.ts';
import type { UnparsableRequests } from './unparsable-requests.ts';
import type { PlainLane } from './wire/plain-lane.ts';

interface Options extends FastifyServerOptions {
  http?: object;
  https?: object;
}

/**
 * Returns a Fastify server factory that refuses connections beyond the limits, and passes each other connection to the
 * plain lane, if there is one. It sets the same timeouts as Fastify does on the servers that it creates.
 */
export function serverWith(traffic: Traffic, unparsable: UnparsableRequests, lane: PlainLane | undefined) {
  return (fastifyListener: RequestListener, options: Options) => {
    const server = options.https
      ? createTlsServer(options.https, fastifyListener)
      : createServer(options.http ?? {}, fastifyListener);
    server.keepAliveTimeout = options.keepAliveTimeout ?? server.keepAliveTimeout;
    server.requestTimeout = options.requestTimeout ?? server.requestTimeout;
    server.prependListener('request', (request, response) => unparsable.watch(request, response));
    if (lane !== undefined) {
      intercept(server, options.https ? 'secureConnection' : 'connection', (socket, proceed) =>
        lane.take(socket, proceed),
      );
    }
    // Before the TLS handshake. A reset, because it leaves no state of the connection in the kernel.
    intercept(server, 'connection', (socket, proceed) =>
      traffic.admit(socket) ? proceed() : socket.resetAndDestroy(),
    );
    return server;
  };
}

/** Calls `handler` instead of the listeners of an event, which get the socket when it calls `proceed`. */
function intercept(
  server: Server,
  event: 'connection' | 'secureConnection',
  handler: (socket: Socket, proceed: () => void) => void,
): void {
  const listeners = server.listeners(event) as ((socket: Socket) => void)[];
  server.removeAllListeners(event);
  server.on(event, (socket: Socket) =>
    handler(socket, () => {
      for (const listener of listeners) listener.call(server, socket);
    }),
  );
}
