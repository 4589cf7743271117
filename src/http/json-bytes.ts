import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';

/**
 * Passes bodies to the route as unparsed bytes. Unlike Fastify's own parser, it accepts the JSON content type without a
 * body, because clients of the protocol send that.
 */
export const jsonBytes = fp(
  async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      /^application\/(?:[\w.-]+\+)?json\b/i,
      async (request: FastifyRequest, payload: IncomingMessage) => {
        const bytes = await app.readBody(request, payload);
        return bytes.length === 0 ? undefined : bytes;
      },
    );
  },
  { name: 'json-bytes', dependencies: ['request-bodies'] },
);
