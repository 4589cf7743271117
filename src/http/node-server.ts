import type { RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { FastifyServerOptions } from 'fastify';
import { createServer } from './node-http.ts';
import type { PlainLane } from './wire/plain-lane.ts';

interface Options extends FastifyServerOptions {
  http?: object;
  https?: object;
}

/**
 * Returns a Fastify server factory that passes each connection to the plain lane first. It sets the same timeouts as
 * Fastify does on the servers that it creates.
 */
export function serverWith(lane: PlainLane) {
  return (fastifyListener: RequestListener, options: Options) => {
    const server = options.https
      ? createTlsServer(options.https, fastifyListener)
      : createServer(options.http ?? {}, fastifyListener);
    server.keepAliveTimeout = options.keepAliveTimeout ?? server.keepAliveTimeout;
    server.requestTimeout = options.requestTimeout ?? server.requestTimeout;

    const connectionEvent = options.https ? 'secureConnection' : 'connection';
    const httpListeners = server.listeners(connectionEvent) as ((socket: Socket) => void)[];
    server.removeAllListeners(connectionEvent);
    server.on(connectionEvent, (socket: Socket) =>
      lane.take(socket, () => {
        for (const listener of httpListeners) listener.call(server, socket);
      }),
    );
    return server;
  };
}
