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
 * A server factory for Fastify whose connections go to a lane for plain requests first. It sets what Fastify sets on
 * servers of its own making.
 */
export function serverWith(lane: PlainLane) {
  return (fastifyListener: RequestListener, options: Options) => {
    const server = options.https
      ? createTlsServer(options.https, fastifyListener)
      : createServer(options.http ?? {}, fastifyListener);
    server.keepAliveTimeout = options.keepAliveTimeout ?? server.keepAliveTimeout;
    server.requestTimeout = options.requestTimeout ?? server.requestTimeout;

    const connected = options.https ? 'secureConnection' : 'connection';
    const toHttp = server.listeners(connected) as ((socket: Socket) => void)[];
    server.removeAllListeners(connected);
    server.on(connected, (socket: Socket) =>
      lane.take(socket, () => {
        for (const listener of toHttp) listener.call(server, socket);
      }),
    );
    return server;
  };
}
