import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { FastifyServerOptions } from 'fastify';

interface Options extends FastifyServerOptions {
  http?: object;
  https?: object;
}

/**
 * A server factory for Fastify that puts a listener of ours before Fastify's. It sets what Fastify sets on servers of
 * its own making.
 */
export function serverWith(before: (next: RequestListener) => RequestListener) {
  return (fastifyListener: RequestListener, options: Options) => {
    const listener = before(fastifyListener);
    const server = options.https
      ? createTlsServer(options.https, listener)
      : createServer(options.http ?? {}, listener);
    server.keepAliveTimeout = options.keepAliveTimeout ?? server.keepAliveTimeout;
    server.requestTimeout = options.requestTimeout ?? server.requestTimeout;
    return server;
  };
}
