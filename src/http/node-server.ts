import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Server, Socket } from 'node:net';
import type { FastifyServerOptions } from 'fastify';
import { createServer } from './node-http.ts';
import type { Traffic } from './traffic.ts';
import type { PlainLane } from './wire/plain-lane.ts';

interface Options extends FastifyServerOptions {
  http?: object;
  https?: object;
}

/**
 * Returns a Fastify server factory that refuses connections beyond the limits, passes each other connection to the plain lane,
 * if there is one, and bounds what node:http serves of the others. It sets the same timeouts as Fastify does on the servers that
 * it creates.
 */
export function serverWith(traffic: Traffic, lane: PlainLane | undefined) {
  const { nodeConnections } = traffic;
  return (fastifyListener: RequestListener, options: Options) => {
    const listener: RequestListener = (request, response) => {
      if (nodeConnections.admit(request, response)) fastifyListener(request, response);
    };
    const server = options.https
      ? createTlsServer(options.https, listener)
      : createServer(options.http ?? {}, listener);
    server.once('close', () => nodeConnections.stop());
    server.keepAliveTimeout = options.keepAliveTimeout ?? server.keepAliveTimeout;
    server.requestTimeout = options.requestTimeout ?? server.requestTimeout;
    // Node would answer other values of Expect than 100-continue itself, also on a connection that must end.
    server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
      if (nodeConnections.admit(request, response)) response.writeHead(417).end();
    });
    intercept(server, options.https ? 'secureConnection' : 'connection', (socket, proceed) => {
      traffic.begin(socket);
      if (lane === undefined) proceed();
      else lane.take(socket, proceed);
    });
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
